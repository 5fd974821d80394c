#!/bin/sh
# Gives the account `brain` the password of the environment, keeps all other accounts, starts the broker.
# Gateways that `brain serve` lets in and shuts out come and go with the lines of its file (docs/edge.md).
set -eu
passwords=/mosquitto/data/passwords
gateways=/mosquitto/gateways/passwords
ours='^gw-[0-9a-f]\{12\}:'
umask 077
[ -f "$passwords" ] || : > "$passwords"
mosquitto_passwd -b "$passwords" brain "$MQTT_PASSWORD"

take_gateways() {  # whether anything has changed
  [ -f "$gateways" ] || return 1
  { grep -v "$ours" "$passwords"; grep "$ours" "$gateways"; } > "$passwords.new" || true
  if cmp -s "$passwords.new" "$passwords"; then return 1; fi
  mv "$passwords.new" "$passwords"
}
take_gateways || true
broker=$$  # it is this process that becomes the broker
while sleep 2 && kill -0 "$broker"; do
  if take_gateways; then kill -HUP "$broker"; fi
done &
exec mosquitto -c /mosquitto/config/mosquitto.conf
