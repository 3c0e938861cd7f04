#!/usr/bin/env bash
# Known vulnerabilities of what is built in, by the newest advisories.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh

need cargo rustc cargo
need git git
say "fetching the RustSec advisories"
folder=target/advisories
if [ -d $folder/.git ]; then
  git -C $folder pull --quiet --ff-only || missing "the newest advisories (https://github.com/rustsec/advisory-db cannot be reached)"
else
  mkdir -p target
  git clone --quiet --depth 1 https://github.com/rustsec/advisory-db $folder || missing "the advisories (https://github.com/rustsec/advisory-db cannot be reached)"
fi
cargo test --locked -p tests --test platform -- --exact dependencies::no_dependency_has_a_known_vulnerability
