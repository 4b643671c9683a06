# Short targets; what each needs it installs by itself. `make` alone explains them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help start dev prod test timing soak soak-cluster fuzz types e2e bench bench-cluster cov lint instructions deb book fmt clean

# Settings for work at one's own desk; what the environment says already counts more.
DEVELOPMENT = export ROLLCALL_ACCOUNTS__REGISTRATION="$${ROLLCALL_ACCOUNTS__REGISTRATION:-true}" \
  ROLLCALL_SHUTDOWN__DRAIN="$${ROLLCALL_SHUTDOWN__DRAIN:-1s}" \
	ROLLCALL_LOG__FORMAT="$${ROLLCALL_LOG__FORMAT:-text}";
PRODUCTION = export ROLLCALL_ACCOUNTS__REGISTRATION="$${ROLLCALL_ACCOUNTS__REGISTRATION:-false}" \
	ROLLCALL_LOG__FORMAT="$${ROLLCALL_LOG__FORMAT:-json}";

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

start: ## Build (the devices page too, with npm) and run for development: readable logs, registration open, http://localhost:3000
	@scripts/debian-packages build-essential
	@scripts/page
	@cargo build --package rollcall --bin rollcall
	@$(DEVELOPMENT) exec target/debug/rollcall serve

dev: ## The same, built and restarted on each change (installs bacon once)
	@scripts/debian-packages build-essential
	@scripts/cargo-tool bacon 3.26.0
	@scripts/page
	@$(DEVELOPMENT) exec bacon --headless

prod: ## Release build with production settings: JSON logs, registration closed
	@scripts/debian-packages build-essential
	@scripts/page
	@cargo build --release --package rollcall --bin rollcall
	@$(PRODUCTION) exec target/release/rollcall serve

test: ## Every test: unit, behaviour, documentation, then the clients; the last line counts them
	@scripts/test rust cluster docs js typescript browser python client deploy runner

timing: ## Whether login times tell who has an account: medians, alone on a quiet machine (seconds)
	@scripts/cargo-tool cargo-nextest 0.9.143
	@cargo nextest run -p rollcall --test server --run-ignored only --no-capture auth::

soak-cluster: ## Three nodes, 500 clients and one fault after another for ten minutes; SEED=... does the same again
	@ROLLCALL_SOAK_SECONDS=600 ROLLCALL_SOAK_SEED="$(or $(SEED),$(shell shuf -i 1-999999999 -n 1))" \
		cargo nextest run -p rollcall --test cluster_faults --no-capture soak::

fuzz: ## Fuzz what reads bytes from outside, each target for a minute (SECONDS=..., TARGET=jwt); the replay is in `make test`
	@scripts/fuzz $(or $(SECONDS),60) $(TARGET)

soak: ## An hour of it, with a fault a minute: no ghost, nothing lost, no growth; SECONDS=... PAUSE=... SEED=...
	@ROLLCALL_SOAK_SECONDS="$(or $(SECONDS),3600)" ROLLCALL_SOAK_PAUSE="$(or $(PAUSE),50)" \
		ROLLCALL_SOAK_SEED="$(or $(SEED),$(shell shuf -i 1-999999999 -n 1))" \
		cargo nextest run --cargo-profile soak -p rollcall --test cluster_faults --no-capture soak::

types: ## Write clients/typescript/src/wire.ts from the types of the server
	@ROLLCALL_WRITE_TYPES=1 cargo test --quiet --package rollcall --lib wire::typescript

e2e: ## Only the clients (stock JavaScript, Python, Rust; the typed one; a browser) against a debug build
	@scripts/test js typescript browser python client

bench-cluster: ## What the agreement of several nodes costs, with Redis on this machine (two minutes; NODES=3, QUICK=1)
	@bench/cluster

bench: ## Rollcall, the floor and other servers, measured side by side (an hour; QUICK=1: minutes; ONLY=rollcall)
	@bench/run

deb: ## A package for Debian 12 of the release build: target/debian/rollcall_*.deb
	@scripts/debian-packages build-essential
	@scripts/cargo-tool cargo-deb 3.8.0
	@scripts/page
	@cargo deb --package rollcall

book: ## The documents as a book: target/book/index.html
	@scripts/cargo-tool mdbook 0.4.52
	@mdbook build docs

cov: ## Line coverage of the workspace's tests: the total, and target/coverage/tarpaulin-report.html
	@scripts/coverage

lint: ## Formats, clippy, layers, documentation, licences, scripts: whatever a machine can judge
	@scripts/lint

instructions: ## Instruction counts of the hot paths against the committed ones (callgrind; some minutes)
	@scripts/instructions

fmt: ## Format the Rust code
	@cargo fmt --all
	@cargo fmt --manifest-path e2e/rust/Cargo.toml
	@cargo fmt --manifest-path fuzz/Cargo.toml
	@cargo fmt --manifest-path bench/peers/floor/Cargo.toml
	@cargo fmt --manifest-path bench/peers/socketioxide/Cargo.toml

clean: ## Remove what was built and installed in this folder, not the data
	@rm -rf target e2e/js/node_modules {e2e/browser,web}/node_modules web/dist/{assets,index.html} clients/typescript/{dist,node_modules} e2e/python/.venv bench/.venv bench/peers/*/{target,dist,node_modules,.venv}
