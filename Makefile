# Fairway: `make up` runs it, `make test` proves it.
SHELL := /bin/bash
export CGO_ENABLED := 0
.DEFAULT_GOAL := help

BIN := bin/reconciler
TOOL := go tool -modfile=tools/go.mod

.PHONY: help
help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.PHONY: build
build: ## build bin/reconciler
	@echo "building $(BIN) (the first time takes a few minutes)"
	@go build -trimpath -ldflags='-s -w' -o $(BIN) ./cmd/reconciler

.PHONY: lab
lab: ## build the control plane of `make up` and the tests, once
	@lab/build.sh

.PHONY: forge
forge: ## build the Gitea of the tests, once
	@lab/forge/build.sh

.PHONY: up
up: build ## run the whole platform on this machine: two clusters, Git, the daemon
	@lab=$$(lab/build.sh | tail -n 1) && exec $(BIN) up --lab "$$lab" $(ARGS)

.PHONY: up-forge
up-forge: build ## the same with a real forge, for pull requests and previews
	@lab=$$(lab/build.sh | tail -n 1) && forge=$$(lab/forge/build.sh | tail -n 1) && exec $(BIN) up --lab "$$lab" --gitea "$$forge" $(ARGS)

.PHONY: test
test: ## run all tests, the ones against real control planes included
	@test/run.sh

.PHONY: check
check: ## format, vet, staticcheck, CUE, sizes
	@echo "gofmt";       unformatted=$$(gofmt -l cmd pkg test lab); test -z "$$unformatted" || { echo "$$unformatted"; exit 1; }
	@echo "go vet";      go vet ./...
	@echo "staticcheck"; $(TOOL) staticcheck ./...
	@echo "cue fmt";     $(TOOL) cue fmt --check ./...
	@echo "cue vet";     $(TOOL) cue vet -c=false ./... && $(TOOL) cue vet -c ./teams/... ./environments/... ./platform/clusters/... ./platform/health/... ./platform/approvals/...
	@echo "sizes";       go run ./test/size

.PHONY: docs
docs: build ## write the reference pages anew
	@$(BIN) docs docs

.PHONY: goldens
goldens: ## write the wanted outputs of tests anew
	@go test ./pkg/eval ./pkg/diag/format ./pkg/plan -update

.PHONY: fuzz
fuzz: ## fuzz every decoder of outside bytes, FUZZTIME (30s) a target
	@test/fuzz.sh

.PHONY: sops
sops: ## open files written by the real sops (a module of its own; building it takes minutes)
	@cd test/sops && go test ./...

.PHONY: evaluator
evaluator: ## show what this evaluator makes of the corpus that another did not
	@go run ./test/evaluator

.PHONY: bench
bench: ## measure, beside floors in the same run; writes docs/benchmarks.md
	@FAIRWAY_FORGE=$$(lab/forge/build.sh | tail -n 1) FAIRWAY_LAB=$$(lab/build.sh | tail -n 1) go run ./test/bench -out docs/benchmarks.md

.PHONY: faults
faults: ## do a sample of faults to the daemon; a few minutes
	@FAIRWAY_LAB=$$(lab/build.sh | tail -n 1) go test -count=1 -timeout 20m ./test/faults/...

.PHONY: faults-full
faults-full: ## do every fault, go on where it was interrupted; writes docs/reliability.md
	@FAIRWAY_LAB=$$(lab/build.sh | tail -n 1) go run ./test/faults/full -docs docs/reliability.md $(ARGS)

.PHONY: cycles
cycles: ## open and close a thousand pull requests with previews while everything fails
	@FAIRWAY_FORGE=$$(lab/forge/build.sh | tail -n 1) FAIRWAY_LAB=$$(lab/build.sh | tail -n 1) go run ./test/cycles $(ARGS)

.PHONY: mutants
mutants: ## take each guard out and see that a test notices; writes docs/reliability.md
	@FAIRWAY_FORGE=$$(lab/forge/build.sh | tail -n 1) FAIRWAY_LAB=$$(lab/build.sh | tail -n 1) go run ./test/mutants -into docs/reliability.md $(ARGS)

.PHONY: install-check
install-check: ## prove the install that pre-commit does, with an empty module cache
	@test/install.sh

.PHONY: clean
clean: ## remove what was built and what `make up` keeps
	@rm -rf bin .fairway
