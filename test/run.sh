#!/usr/bin/env bash
# Runs every test of the house and says what it is doing. The lab, a real
# control plane, is built first and kept in a cache keyed by its sources.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 # one static binary, and no C compiler needed

step() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

for need in go git make; do
	command -v "$need" >/dev/null || { echo "$need is needed and not installed" >&2; exit 2; }
done

step "lab: a real Kubernetes control plane (the first build takes about six minutes on two cores)"
FAIRWAY_LAB=$(lab/build.sh | tail -n 1)
export FAIRWAY_LAB
echo "$FAIRWAY_LAB"

step "forge: a real Gitea (the first build takes about five minutes on two cores)"
FAIRWAY_FORGE=$(lab/forge/build.sh | tail -n 1)
export FAIRWAY_FORGE
echo "$FAIRWAY_FORGE"

step "build"
go build -trimpath -o bin/reconciler ./cmd/reconciler
export FAIRWAY_BIN="$PWD/bin/reconciler"

step "check: format, vet, staticcheck, CUE, sizes"
make --no-print-directory check

step "tests: packages, scripts, layers"
go test -timeout 20m $(go list ./... | grep -v -e /test/e2e -e '/test/faults$' -e '/test/forge$' -e /test/pulls)

step "tests: alerts, by Prometheus' own reader (a module of its own)"
(cd test/promrules && go test ./...)

# Much of both is waiting, so they run side by side.
step "tests: behaviours on real control planes; forges and pull requests beside them"
beside=$(mktemp)
go test -timeout 25m -p 1 -parallel 2 ./test/forge ./test/pulls >"$beside" 2>&1 &
forges=$!
trap 'kill "$forges" 2>/dev/null || true; rm -f "$beside"' EXIT
code=0
go test -timeout 30m -parallel 3 ./test/e2e/... || code=$?
wait "$forges" || code=$?
trap - EXIT
cat "$beside"
rm -f "$beside"
[ "$code" -eq 0 ] || exit "$code"

step "tests: a sample of faults (make faults-full does them all)"
FAIRWAY_FAULTS_PART=0.1 go test -timeout 15m ./test/faults

step "tests: the lab"
(cd lab && go test -timeout 10m ./...)
