#!/usr/bin/env bash
# `make run`: a release build of the gateway, started in the foreground. Flags given are passed on.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
# SQLite is C, and rustc links with the system's compiler.
need_apt cc build-essential || { echo "make run needs a C compiler: install your system's gcc or clang" >&2; exit 1; }
bash scripts/guest-targets.sh
if [ ! -x target/release/openclaw ]; then
    echo "building a release (the first takes 6 to 12 minutes on two cores)"
fi
cargo build --release --bin openclaw
exec target/release/openclaw gateway "$@"
