#!/bin/sh
# Real parts for the tests, from Debian: mosquitto, Chromium, debootstrap (for TimescaleDB in a chroot), npm.
# Only root on a machine with apt-get can have them; everywhere else the tests that need one skip and say so.
set -u
missing=""
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
have mosquitto || missing="$missing mosquitto"
have chromium || missing="$missing chromium fonts-noto-cjk"
have debootstrap || missing="$missing debootstrap"
have npm || missing="$missing nodejs npm"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! have apt-get; then
    echo "not installed, their tests will skip:$missing"
    exit 0
fi
# A broker that starts by itself on the standard port would only be in the way.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get update -qq >/dev/null 2>&1 && apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 \
    || echo "could not be installed, their tests will skip:$missing"
[ -n "$made" ] && rm -f "$policy"
exit 0
