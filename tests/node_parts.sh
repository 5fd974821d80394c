#!/bin/sh
# OPC UA servers and Sparkplug devices that are not ours, from npm, into tests/node/node_modules as the lock says.
# Where node or the registry is missing the tests that need them skip and say so.
set -u
cd "$(dirname "$0")/node" || exit 1
[ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] && exit 0
command -v npm >/dev/null 2>&1 && npm ci --ignore-scripts --no-fund --no-audit --silent >/dev/null 2>&1 \
    || { rm -rf node_modules; echo "parts from npm could not be installed, their tests will skip"; }
exit 0
