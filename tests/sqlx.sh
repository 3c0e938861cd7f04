#!/usr/bin/env bash
# The offline query data of every service, or of those named after the mode: `write` makes it anew from the
# migrations, `check` compares it with what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh
mode=${1:-check}
services=(tenants tickets routing workforce billing)
[ $# -gt 1 ] && services=("${@:2}")
need cargo rustc cargo
postgres_tools
say "a database with all schemas"
cargo build --quiet --locked -p scratch
exec 3< <(target/debug/scratch-database)
read -r url <&3
keeper=$!
trap 'kill $keeper 2>/dev/null || true' EXIT
status=0
for service in "${services[@]}"; do
  fresh=$PWD/target/sqlx/$service
  rm -rf "$fresh"; mkdir -p "$fresh"
  touch services/$service/src/lib.rs
  variable=$(echo "${service}_CHECK_URL" | tr a-z A-Z)
  env SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" "$variable=$url" cargo check --quiet --locked -p $service
  if [ "$mode" = write ]; then
    rm -rf services/$service/.sqlx; mkdir -p services/$service/.sqlx
    cp "$fresh"/*.json services/$service/.sqlx/ 2>/dev/null || true
  elif ! diff -rq "$fresh" services/$service/.sqlx; then
    echo "the query data of $service is not that of its migrations: make sqlx" >&2
    status=1
  fi
done
exit $status
