#!/usr/bin/env bash
# Formatting, clippy, the rules of the protos, and that nothing on the wire broke.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh

need cargo rustc cargo
solver_tools
say "formatting"
cargo fmt --all --check
say "protos"
buf_tool
buf lint proto
buf breaking proto --against proto/baseline.binpb.gz
say "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings
