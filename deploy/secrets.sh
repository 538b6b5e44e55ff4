#!/bin/sh
# Writes into ./secrets what a lab's services, machines and people need to trust each other: a password for each user of
# Redis and each role of PostgreSQL, a certificate authority, and the server's certificate for its names.
#
#   sh deploy/secrets.sh lab.example 192.168.1.10
#
# Existing passwords and an existing authority are kept. The server's certificate is always made again.
set -eu
[ $# -gt 0 ] || { echo "usage: sh deploy/secrets.sh NAME-OR-ADDRESS-OF-THE-SERVER..." >&2; exit 2; }
umask 077
mkdir -p secrets
cd secrets

for name in redis_controller redis_submitter redis_worker \
    postgres_admin postgres_owner postgres_controller postgres_worker postgres_reader; do
  [ -s "$name" ] || openssl rand -hex 24 > "$name"
done

[ -s ca.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
  -subj "/CN=Wattfarm lab" -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.crt

names=DNS:redis,DNS:postgres,DNS:localhost,IP:127.0.0.1
for name in "$@"; do
  case $name in
    *[!0-9.]*) names=$names,DNS:$name ;;
    *) names=$names,IP:$name ;;
  esac
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
  -keyout server.key -out server.csr
cat > server.ext <<EXTENSIONS
subjectAltName=$names
extendedKeyUsage=serverAuth
keyUsage=critical,digitalSignature
authorityKeyIdentifier=keyid
EXTENSIONS
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -days 825 -extfile server.ext -out server.crt
rm server.csr server.ext

# The folder's mode keeps other users out. Inside containers the services run as other users, who must read the files.
chmod 644 ca.crt server.crt server.key redis_* postgres_*
echo "wrote $PWD: keep ca.key elsewhere, the services do not need it"
