#!/usr/bin/env bash
# The statements of all services, checked against a database made of their migrations.
#   tests/sqlx.sh check               fails where services/*/.sqlx is not what comes out
#   tests/sqlx.sh write [SERVICE...]  writes it
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh

mode=${1:-check}
services=(tenants tickets routing workforce billing)
[ $# -gt 1 ] && services=("${@:2}")

need cargo rustc cargo
postgres_tools
say "a database with all schemas"
# The whole workspace is asked for everywhere, so that it has the same features everywhere and is compiled once.
cargo build --quiet --locked --workspace --bin scratch-database
exec 3< <(target/debug/scratch-database)
read -r url <&3
keeper=$!
trap 'kill $keeper 2>/dev/null || true' EXIT

# compile FOLDER CARGO_WORDS SERVICE...: what the statements of these services need is written into the folder.
compile() {
  local folder=$1 words=$2 service urls=()
  shift 2
  rm -rf "$folder"; mkdir -p "$folder"
  for service in "$@"; do
    touch services/$service/src/lib.rs
    urls+=("${service^^}_CHECK_URL=$url")
  done
  # shellcheck disable=SC2086
  env SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$folder" "${urls[@]}" cargo $words
}

if [ "$mode" = write ]; then
  for service in "${services[@]}"; do
    compile "$PWD/target/sqlx/$service" "check --quiet --workspace --lib --locked" "$service"
    rm -rf services/$service/.sqlx; mkdir -p services/$service/.sqlx
    cp target/sqlx/$service/*.json services/$service/.sqlx/ 2>/dev/null || true
  done
else
  kept=$PWD/target/sqlx/kept
  rm -rf "$kept"; mkdir -p "$kept"
  for service in "${services[@]}"; do
    cp services/$service/.sqlx/*.json "$kept/" 2>/dev/null || true
  done
  # As tests/lint.sh compiles, so that its work is used.
  compile "$PWD/target/sqlx/fresh" "clippy --quiet --workspace --lib --locked -- -D warnings" "${services[@]}"
  diff -rq "$PWD/target/sqlx/fresh" "$kept" || {
    echo "the query data of the services are not those of their migrations: make sqlx" >&2
    exit 1
  }
fi
