#!/usr/bin/env bash
# All checks and all tests; installs what it needs or says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh

need cargo rustc cargo
need cc build-essential
need git git
need openssl openssl
solver_tools
postgres_tools
mail_server
nats_tool
journal_tool
python_env

tests/lint.sh

say "manifests"
"$MANYDESK_TEST_PYTHON" tests/k8s/check.py

say "public holidays against their source"
"$MANYDESK_TEST_PYTHON" tests/tools/make_holidays.py --check

say "queries against the migrations"
tests/sqlx.sh check

say "the executable, for the tests that start and kill it"
cargo build --locked --workspace --bin manydesk

say "tests"
cargo test --workspace --locked --no-fail-fast

tests/documents.sh
