# Sourced by the scripts of this folder.

say() { printf '\n== %s\n' "$*"; }
missing() { printf '\nmissing: %s\n' "$*" >&2; exit 1; }

# need COMMAND PACKAGE...: the command, or the Debian packages that bring it.
need() {
  local command=$1; shift
  command -v "$command" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing $*"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null \
      || missing "$command (apt-get install $* failed)"
  else
    missing "$command: install it, for example with: apt-get install $*"
  fi
}

# What building the solver of linear programs takes: cmake, and libclang, which reads its header.
solver_tools() {
  need cmake cmake
  need c++ g++
  [ -n "$(find /usr/lib /usr/lib64 /usr/local/lib \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) -print -quit 2>/dev/null)" ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing libclang1"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libclang1; } >/dev/null \
      || missing "libclang (apt-get install libclang1 failed)"
  else
    missing "libclang: install it, for example with: apt-get install libclang1"
  fi
}

# The Python packages of the tests, in an environment of their own.
python_env() {
  need python3 python3 python3-venv python3-pip
  local env=target/python stamp
  stamp=$(sha256sum tests/python/requirements.txt | cut -d' ' -f1)
  if [ "$(cat $env/stamp 2>/dev/null)" != "$stamp" ]; then
    say "installing the Python packages of the tests"
    rm -rf $env
    python3 -m venv $env || missing "python3-venv: apt-get install python3-venv"
    $env/bin/pip install --quiet --requirement tests/python/requirements.txt || missing "the Python packages of tests/python/requirements.txt"
    echo "$stamp" > $env/stamp
  fi
  export MANYDESK_TEST_PYTHON=$PWD/$env/bin/python
}

# buf, from npm.
buf_tool() {
  need node nodejs npm
  need npm npm
  local stamp
  stamp=$(sha256sum tests/tools/package-lock.json | cut -d' ' -f1)
  if [ "$(cat target/tools/stamp 2>/dev/null)" != "$stamp" ]; then
    say "installing buf"
    rm -rf target/tools && mkdir -p target/tools
    cp tests/tools/package.json tests/tools/package-lock.json target/tools/
    (cd target/tools && npm install --silent --no-audit --no-fund --ignore-scripts) || missing "buf (npm install in tests/tools failed)"
    echo "$stamp" > target/tools/stamp
  fi
  export PATH=$PWD/target/tools/node_modules/.bin:$PATH
}

# A mail server for the tests, which start it in folders of their own; installed without being started. Where it
# cannot be had, the tests that need it say that they were skipped.
mail_server() {
  [ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/lmtp ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing dovecot"
    { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends dovecot-imapd dovecot-lmtpd; } >/dev/null 2>&1 \
      && return
  fi
  say "SKIPPED: the tests with a real IMAP server, for want of: apt-get install dovecot-imapd dovecot-lmtpd"
}

# A NATS server for the tests of the other bus; installed without being started.
nats_tool() {
  for place in /usr/sbin /usr/local/bin /usr/bin; do
    [ -x $place/nats-server ] && return
  done
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing nats-server"
    { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nats-server; } >/dev/null 2>&1 \
      && return
  fi
  say "SKIPPED: the tests with NATS as the bus, for want of: apt-get install nats-server"
}

# An accounting program, which reads the journals that billing exports.
journal_tool() {
  command -v hledger >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing hledger"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends hledger; } >/dev/null 2>&1 \
      && return
  fi
  say "SKIPPED: exported journals held against hledger, for want of: apt-get install hledger"
}

postgres_tools() {
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && return
  command -v postgres >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing PostgreSQL's server programs"
    mkdir -p /etc/postgresql-common
    [ -f /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } >/dev/null \
      || missing "PostgreSQL (apt-get install postgresql failed)"
  else
    missing "PostgreSQL's server programs: apt-get install postgresql"
  fi
}
