#!/usr/bin/env bash
# `make guests`: components are built by the build scripts of the crates that embed them, with a cargo and a target
# folder of their own; building those crates builds the guests.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/guest-targets.sh
cargo build --package openclaw --package openclaw-tests
