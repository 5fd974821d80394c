#!/bin/sh
# Gives the account `brain` the password of the environment, keeps all other accounts, starts the broker.
set -eu
passwords=/mosquitto/data/passwords
umask 077
[ -f "$passwords" ] || : > "$passwords"
mosquitto_passwd -b "$passwords" brain "$MQTT_PASSWORD"
exec mosquitto -c /mosquitto/config/mosquitto.conf
