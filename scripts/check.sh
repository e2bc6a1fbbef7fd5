#!/usr/bin/env bash
# `make check`: what can be said about the tree without running it. Everything is checked even if one thing fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source scripts/stage.sh
source scripts/tools.sh
source scripts/checks.sh
run_checks
finish
