#!/bin/sh
# Prints the ACL file that Redis reads: users.acl, with the hash of each user's password from FOLDER/redis_USER.
#
#   sh acl.sh FOLDER > /etc/redis/users.acl
set -eu
folder=${1:?usage: sh acl.sh FOLDER}
while read -r line; do
  case $line in
    '' | '#'*) ;;
    *'#PASSWORD'*)
      user=${line#user }
      file=$folder/redis_${user%% *}
      [ -s "$file" ] || { echo "acl.sh: no password in $file" >&2; exit 1; }
      hash=$(tr -d '\r\n' < "$file" | sha256sum)
      printf '%s#%s%s\n' "${line%%#*}" "${hash%% *}" "${line#*#PASSWORD}" ;;
    *) printf '%s\n' "$line" ;;
  esac
done < "$(dirname "$0")/users.acl"
