#!/usr/bin/env bash
# `make test`: check, build, every test, then the guide's own clients against a real gateway.
# One profile (dev), one feature set: a second one would double the build on two cores.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source scripts/stage.sh
source scripts/tools.sh
source scripts/checks.sh
source scripts/clients.sh

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

need_apt cc build-essential || skip "a C compiler" "not installed, and installing it needs root and apt-get"
run_checks

stage "guest targets" bash scripts/guest-targets.sh
need_apt strace strace || skip "strace" "not installed, and installing it needs root and apt-get; tests that count syscalls skip"
need_apt curl curl || skip "curl" "not installed, and installing it needs root and apt-get"
need_nginx || skip "nginx" "nginx-light is not installed, and installing it needs root and apt-get; tests with nginx in front skip"
need_node || skip "node" "neither npm nor its packages could be had"
need_python || skip "python" "no virtual environment could be made"
need_vendors || skip "vendors" "the libraries of webhook senders could not be had; tests that let them sign skip"
need_websocat || skip "websocat" "websocat $websocat_version could not be built"

# Programs and tests in one build: alone, programs get another set of features, and half of the tree is built twice.
stage "build" cargo build --workspace --bins --tests --quiet
if need_nextest; then
    # Where tests find Node's packages, GitHub's webhook examples among them.
    if [ -d "$tools/node_modules" ]; then export OPENCLAW_NODE_MODULES=$tools/node_modules; fi
    suite "tests" cargo nextest run --workspace --bins --tests
else
    skip "tests" "cargo-nextest $nextest_version could not be installed"
fi
if [ -x target/debug/openclaw ]; then
    suite "skills: cases" target/debug/openclaw skills test skills/*/
else
    skip "skills: cases" "no gateway was built"
fi
run_clients
finish
