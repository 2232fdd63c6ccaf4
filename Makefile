# Fairway: `make up` runs it, `make test` proves it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN := bin/reconciler

.PHONY: help
help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build bin/reconciler
	@echo "building $(BIN)"
	@go build -trimpath -o $(BIN) ./cmd/reconciler

.PHONY: up
up: build ## run the whole platform on this machine: two clusters, Git, the daemon
	@lab=$$(lab/build.sh | tail -n 1) && exec $(BIN) up --lab "$$lab" $(ARGS)
