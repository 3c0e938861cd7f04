# Everything a person does with this repository. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help up test lint audit bench sqlx

help: ## list what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: ## build and run the whole platform, with demo data
	cargo build --profile quick -p manydesk
	@exec target/quick/manydesk up

test: ## install what the tests need, check everything, run all tests
	tests/run.sh

lint: ## formatting, clippy, protos
	tests/lint.sh

audit: ## fetch the RustSec advisories and look for dependencies with a known vulnerability
	tests/audit.sh

sqlx: ## write the offline query data of every service anew
	tests/sqlx.sh write

bench: ## the benchmarks, with their peers in the same run
	tests/bench.sh
