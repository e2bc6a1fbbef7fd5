# Everything a person types here. `make` alone prints this list; the work is done in scripts/.
# Invariant: `make test` needs nothing that it does not check for or install itself.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test check guests bench bench-peers soak fix

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build a release and start the gateway on ws://127.0.0.1:18789 (ARGS="--home DIR" passes flags on)
	@bash scripts/run.sh $(ARGS)

test: ## check, every test, the guide's own clients; installs what it needs into .tools/
	@bash scripts/test.sh

check: ## format, clippy with warnings denied, dependencies (cargo deny)
	@bash scripts/check.sh

guests: ## build every guest component: the ones we ship and the ones that misbehave
	@bash scripts/guests.sh

bench: ## measure every published number beside its floor; writes docs/benchmarks.md
	@bash scripts/bench.sh

bench-peers: ## measure OpenClaw (npm) and other ways to isolate a function; downloads about 1 GB into target/peers
	@bash scripts/bench-peers.sh

soak: ## the tests that kill the gateway, 200 rounds instead of 30
	@bash scripts/soak.sh

fix: ## format, and let clippy apply what it can
	@cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	@cargo fmt --all
