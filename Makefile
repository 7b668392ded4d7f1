# `make help` lists the targets. Everything they need is set up on the way, below .local/.
.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-faults bench pot lint shell clean

SERVE ?= 1
ASTPP ?= 0
DB ?= astpp_demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make the environment: Odoo, Python packages, PDF engine, servers
	@dev/setup

demo: setup ## bill a month of calls and serve the invoices (SERVE=0: do not; ASTPP=1: from a database)
	@SERVE=$(SERVE) ASTPP=$(ASTPP) dev/demo

run: setup ## serve an existing database (DB=astpp_demo)
	@dev/serve $(DB)

test: setup ## run the whole test suite (ARGS="-k name" to select)
	@dev/test $(ARGS)

test-faults: setup ## the fault tests with 30 rounds each instead of a few
	@FAULT_ROUNDS=30 dev/test tests/test_sync_faults.py tests/test_billing_faults.py tests/test_renewal_faults.py tests/test_outbox_faults.py tests/test_import_limits.py astpp_billing/tests/test_subscription_histories.py

bench: setup ## the benchmarks (see benchmarks/README.md)
	@dev/bench

pot: setup ## write the translation template anew
	@dev/pot

lint: setup ## ruff, mypy, pylint-odoo, XML, shell scripts
	@dev/lint

shell: setup ## Odoo's Python shell on a database (DB=astpp_demo)
	@dev/odoo shell -d $(DB) --no-http

clean: ## remove everything that the targets above made
	@dev/clean
