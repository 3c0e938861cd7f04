#!/usr/bin/env bash
# The benchmarks: release build, then each with its peer in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh
need cargo rustc cargo
solver_tools
postgres_tools
cargo build --release --locked -p manydesk -p tests --bin manydesk --bin bench
exec target/release/bench "$@"
