#!/usr/bin/env bash
# Every kind of document that the crate `documents` writes, held against validators that were written elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib.sh

need cargo rustc cargo
need python3 python3 python3-venv python3-pip
need hledger hledger

# The Python packages, in an environment of their own.
env=target/validators/python
stamp=$(sha256sum tests/python/documents-requirements.txt | cut -d' ' -f1)
if [ "$(cat $env/stamp 2>/dev/null)" != "$stamp" ]; then
  say "installing the Python packages of the validators"
  rm -rf $env
  python3 -m venv $env || missing "python3-venv: apt-get install python3-venv"
  $env/bin/pip install --quiet --requirement tests/python/documents-requirements.txt \
    || missing "the Python packages of tests/python/documents-requirements.txt"
  echo "$stamp" > $env/stamp
fi

# en16931, which knows the rules of XRechnung. Not optimised: it takes a tenth of a second as it is.
version=0.8.0
if [ "$(target/validators/bin/en16931 --version 2>/dev/null)" != "en16931 $version" ]; then
  say "installing en16931 $version"
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root target/validators --target-dir target/validators/build \
    "en16931-cli@$version" || missing "en16931-cli $version (cargo install failed)"
  rm -rf target/validators/build
fi

say "documents against validators"
samples=target/validators/samples
rm -rf $samples
# With the features of the whole workspace: what its tests have built is not built again.
cargo build --quiet --locked --workspace --example samples
target/debug/examples/samples $samples
$env/bin/python tests/python/documents_check.py $samples target/validators/bin/en16931
