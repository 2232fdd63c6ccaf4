#!/usr/bin/env bash
# Proves the install that pre-commit does for hooks of language golang: go
# install ./... at the repository's root with a GOPATH of its own, then the
# hook's command on a bad file that is staged. Prints the time and the number
# of packages, which is what a team waits for the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT

git clone --quiet . "$work/hooks"
cd "$work/hooks"
start=$(date +%s)
GOPATH="$work/gopath" GOBIN= GOFLAGS= GOCACHE="$work/cache" go install ./...
echo "go install ./... with nothing cached: $(( $(date +%s) - start )) s, $(go list -deps ./cmd/reconciler | wc -l) packages"
test -x "$work/gopath/bin/reconciler"

git clone --quiet . "$work/platform"
cd "$work/platform"
export PATH="$work/gopath/bin:$PATH" XDG_CACHE_HOME="$work/xdg"
sed -i 's/cpu: 60/cpu: 600/' teams/shop/checkout/service.cue
git add teams
entry() { awk -v id="$1" '$2 == "id:" && $3 == id {on=1} on && $1 == "entry:" {$1=""; print substr($0, 2); exit}' .pre-commit-hooks.yaml; }
if out=$($(entry reconciler-vet) 2>&1); then
	echo "reconciler-vet passed a bad file" >&2
	exit 1
fi
echo "$out"
grep -q 'teams/shop/checkout/service.cue:[0-9]*:[0-9]*: error: scale.cpu: 600 is more than 95' <<<"$out"
git checkout --quiet HEAD teams
$(entry reconciler-vet)
printf 'package service\nx:    1\n' > /tmp/unformatted-$$.cue
$(entry reconciler-fmt) "/tmp/unformatted-$$.cue" | grep -q unformatted
rm -f "/tmp/unformatted-$$.cue"
echo "pre-commit hooks: ok"
