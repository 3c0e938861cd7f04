# Everything a person does with this repository. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help up test lint audit baseline bench fuzz sqlx

help: ## list what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: ## build and run the whole platform, with demo data
	@bash -c 'set -eu; . tests/lib.sh; need cargo rustc cargo; need cc build-essential; solver_tools'
	cargo build --profile quick -p manydesk
	@exec target/quick/manydesk up

test: ## install what the tests need, check everything, run all tests
	tests/run.sh

lint: ## formatting, clippy, protos
	tests/lint.sh

audit: ## fetch the RustSec advisories and look for dependencies with a known vulnerability
	tests/audit.sh

baseline: ## take the protos as they are now for what later changes must not break
	@bash -c 'set -eu; . tests/lib.sh; buf_tool; buf build proto --exclude-source-info -o proto/baseline.binpb.gz'

sqlx: ## write the offline query data of every service anew
	tests/sqlx.sh write

bench: ## the benchmarks, with their peers in the same run
	tests/bench.sh

fuzz: ## look for mails that break the intake, for FUZZ_SECONDS (300); needs cargo-fuzz and a nightly compiler
	@mkdir -p tests/fuzz/corpus/intake
	cargo +nightly fuzz run --fuzz-dir tests/fuzz -s none intake tests/fuzz/corpus/intake tests/fuzz/seeds -- \
	  -max_total_time=$${FUZZ_SECONDS:-300} -timeout=20 -rss_limit_mb=2048 -max_len=65536
