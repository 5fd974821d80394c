#!/bin/sh
# Creates or renews the account that Grafana reads the database with.
set -eu
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=password="$GRAFANA_DATABASE_PASSWORD" \
  --file="${0%/*}/grafana_role.sql"
