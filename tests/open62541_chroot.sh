#!/bin/sh
# A server on open62541 (Debian trixie), compiled in the chroot that timescaledb_chroot.sh made:
#   open62541_chroot.sh DIR SOURCE    prints where the program is inside the chroot
set -eu
root=$1/root
source=$2
if [ ! -x "$root/usr/bin/gcc" ] || [ ! -e "$root/usr/include/open62541/server.h" ]; then
    chroot "$root" sh -c "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends gcc libc6-dev libopen62541-1.4-dev" >"$1/open62541.log" 2>&1
fi
mkdir -p "$root/srv/history"
cp "$source" "$root/srv/server.c"
chroot "$root" gcc -O1 -Wall -Wextra -Werror -o /srv/open62541 /srv/server.c -lopen62541
echo /srv/open62541
