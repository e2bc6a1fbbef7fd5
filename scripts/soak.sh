#!/usr/bin/env bash
# `make soak`: the tests that kill the gateway, 200 rounds each. They read OPENCLAW_KILL_ROUNDS (30 in `make test`).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source scripts/stage.sh
source scripts/tools.sh
need_nextest || exit 1
stage "build" cargo build --workspace --bins --tests --quiet
export OPENCLAW_KILL_ROUNDS=${OPENCLAW_KILL_ROUNDS:-200}
suite "kill loops, $OPENCLAW_KILL_ROUNDS rounds" \
    cargo nextest run --profile soak --workspace --bins --tests -E 'package(openclaw-tests) & test(kill9)' --no-tests fail
finish
