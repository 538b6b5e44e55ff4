#!/bin/sh
# Installs a worker or the controller as a service of this machine. Run it as root, from a checkout with ./secrets.
# Run it again to upgrade: a running trial finishes first.
#
#   sh deploy/install.sh worker lab.example
set -eu
umask 022
role=${1:-} server=${2:-}
case $role,$server in
  worker,?*) extras=worker,postgres ;;
  controller,?*) extras=postgres,tuning,analysis,parquet,report ;;
  *) echo "usage: sh deploy/install.sh worker|controller SERVER" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."

id wattfarm > /dev/null 2>&1 ||
  useradd --system --user-group --home-dir /var/lib/wattfarm --shell /usr/sbin/nologin wattfarm
[ -x /opt/wattfarm/bin/pip ] || python3 -m venv /opt/wattfarm
/opt/wattfarm/bin/pip install --quiet --disable-pip-version-check -c constraints.txt ".[$extras]"

install -d -m 755 /etc/wattfarm
install -m 644 secrets/ca.crt /etc/wattfarm/
install -m 600 "secrets/redis_$role" "secrets/postgres_$role" /etc/wattfarm/
umask 077
[ -s "/etc/wattfarm/$role.env" ] || cat > "/etc/wattfarm/$role.env" <<SETTINGS
FARM_BROKER_URL="rediss://$role@$server:6379/0?ssl_ca_certs=/etc/wattfarm/ca.crt"
FARM_DATABASE_URL="postgresql://farm_$role@$server:5432/farm?sslmode=verify-full&sslrootcert=/etc/wattfarm/ca.crt"
SETTINGS

if [ "$role" = worker ]; then
  install -m 644 deploy/wattfarm.conf /etc/tmpfiles.d/
  systemd-tmpfiles --create wattfarm.conf
  install -m 644 deploy/99-wattfarm-rapl.rules /etc/udev/rules.d/
  udevadm control --reload
  udevadm trigger --action=add --subsystem-match=powercap
fi
install -m 644 "deploy/wattfarm-$role.service" /etc/systemd/system/
systemctl daemon-reload
systemctl enable "wattfarm-$role"
systemctl restart --no-block "wattfarm-$role"
echo "installed; to see its log: journalctl --unit wattfarm-$role --follow"
