#!/bin/sh
# PostgreSQL 17 with TimescaleDB (Apache edition) from Debian trixie, in a chroot of its own, for the tests.
#   timescaledb_chroot.sh make DIR     make the chroot where it is missing (root, debootstrap; about a minute)
#   timescaledb_chroot.sh start DIR    start a fresh server in it; prints the directory of its Unix socket
#   timescaledb_chroot.sh stop DIR     stop it
set -eu
verb=$1
dir=$2
bin=/usr/lib/postgresql/17/bin

mirror() {
    # The mirror this machine's own apt uses: nothing else may be reachable.
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -nE 's/^(deb .*|URIs: *)(https?:[^ ]*\/debian)\/?( .*|$)/\2/p' | head -1
}

case $verb in
make)
    [ -e "$dir/ready" ] && exit 0
    rm -rf "$dir"
    mkdir -p "$dir"
    debootstrap --variant=minbase --include=ca-certificates trixie "$dir/root" "$(mirror)" >"$dir/make.log" 2>&1
    for file in /etc/apt/apt.conf.d/*proxy*; do [ -e "$file" ] && cp "$file" "$dir/root/etc/apt/apt.conf.d/"; done
    [ -e /etc/ssl/certs/ca-certificates.crt ] && cp /etc/ssl/certs/ca-certificates.crt "$dir/root/etc/ssl/certs/"
    printf '#!/bin/sh\nexit 101\n' >"$dir/root/usr/sbin/policy-rc.d"
    chmod +x "$dir/root/usr/sbin/policy-rc.d"
    mkdir -p "$dir/root/etc/postgresql-common"
    echo "create_main_cluster = false" >"$dir/root/etc/postgresql-common/createcluster.conf"
    chroot "$dir/root" sh -c "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends postgresql-17 postgresql-17-timescaledb" >>"$dir/make.log" 2>&1
    touch "$dir/ready"
    ;;
start)
    root=$dir/root
    "$0" stop "$dir"
    rm -rf "$root/srv/data" "$root/srv/socket"
    mkdir -p "$root/srv/data" "$root/srv/socket" "$root/dev/shm"
    mountpoint -q "$root/dev/shm" || mount -t tmpfs tmpfs "$root/dev/shm"
    [ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
    [ -e "$root/dev/urandom" ] || mknod -m 666 "$root/dev/urandom" c 1 9
    chroot "$root" chown postgres: /srv/data /srv/socket
    as_postgres() { chroot "$root" su postgres -s /bin/sh -c "$1"; }
    as_postgres "$bin/initdb -D /srv/data -U postgres --auth=trust --locale=C --encoding=utf8" >"$dir/start.log" 2>&1
    as_postgres "$bin/pg_ctl -D /srv/data -w -l /srv/data/log \
        -o \"-c listen_addresses= -k /srv/socket -c shared_preload_libraries=timescaledb -c timezone=UTC \
        -c timescaledb.telemetry_level=off -c max_locks_per_transaction=256\" start" >>"$dir/start.log" 2>&1
    chmod 777 "$root/srv/socket"
    echo "$root/srv/socket"
    ;;
stop)
    if [ -e "$dir/root/srv/data/postmaster.pid" ]; then
        chroot "$dir/root" su postgres -s /bin/sh -c "$bin/pg_ctl -D /srv/data -m immediate -w stop" >/dev/null 2>&1 || true
    fi
    ! mountpoint -q "$dir/root/dev/shm" || umount "$dir/root/dev/shm" || true
    ;;
esac
