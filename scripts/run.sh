#!/usr/bin/env bash
# `make run`: a release build of the gateway, started in the foreground. Flags given are passed on.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/guest-targets.sh
if [ ! -x target/release/openclaw ]; then
    echo "building a release (the first takes 6 to 12 minutes on two cores)"
fi
cargo build --release --bin openclaw
exec target/release/openclaw gateway "$@"
