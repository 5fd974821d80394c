#!/bin/sh
# Gives the account `brain` the password of the environment, keeps all other accounts, starts the broker.
# Gateways that `brain serve` lets in and shuts out come and go with the lines of its file (docs/edge.md). TLS is on where
# the broker finds broker.pem and broker.key as it starts; a renewed certificate is taken up at once.
set -eu
passwords=/mosquitto/data/passwords
gateways=/mosquitto/gateways/passwords
certificate=/mosquitto/gateways/broker.pem
key=/mosquitto/gateways/broker.key
config=/mosquitto/config/mosquitto.conf
ours='^gw-[0-9a-f]\{12\}:'
umask 077
[ -f "$passwords" ] || : > "$passwords"
mosquitto_passwd -b "$passwords" brain "$MQTT_PASSWORD"

if [ -r "$certificate" ] && [ -r "$key" ]; then
  cat "$config" /mosquitto/config/tls.conf > /mosquitto/data/mosquitto.conf
  config=/mosquitto/data/mosquitto.conf
elif [ -e "$certificate" ] || [ -e "$key" ]; then
  echo "no TLS: $certificate and $key must both be there, for user $(id -u) to read" >&2
fi

take_gateways() {  # whether anything has changed
  [ -f "$gateways" ] || return 1
  { grep -v "$ours" "$passwords"; grep "$ours" "$gateways"; } > "$passwords.new" || true
  if cmp -s "$passwords.new" "$passwords"; then return 1; fi
  mv "$passwords.new" "$passwords"
}
take_certificate() {  # whether it has changed; the key is written before it
  now=$(cksum < "$certificate" 2> /dev/null) || return 1
  if [ "$now" = "$taken" ]; then return 1; fi
  taken=$now
}
take_gateways || true
taken=
take_certificate || true
broker=$$  # it is this process that becomes the broker
while sleep 2 && kill -0 "$broker" 2> /dev/null; do
  changed=
  if take_gateways; then changed=1; fi
  if take_certificate; then changed=1; fi
  if [ -n "$changed" ]; then kill -HUP "$broker"; fi
done &
exec mosquitto -c "$config"
