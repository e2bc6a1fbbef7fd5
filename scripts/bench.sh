#!/usr/bin/env bash
# `make bench`: builds the gateway and the bench as releases and measures every row; writes docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
bash scripts/guest-targets.sh
need_apt strace strace || { echo "make bench counts system calls with strace, which is not installed" >&2; exit 1; }
cargo build --release --package openclaw --package openclaw-bench
exec target/release/openclaw-bench all --binary target/release/openclaw "$@"
