#!/usr/bin/env bash
# Runs every fuzz target of the house, one after the other, for FUZZTIME each,
# and says how often each was tried. A target that fails leaves what made it
# fail under its package's testdata/fuzz, where the tests find it from then on.
# What is found interesting is kept between runs, by Go's own cache; FUZZKEEP=n
# copies the n smallest of each target to testdata/fuzz, to be committed: from
# then on every test run tries them.
#
#   test/fuzz.sh [TEXT...]    only packages whose path contains one of the texts
set -uo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

time=${FUZZTIME:-30s} failed=0
root=$PWD
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
found=$(go env GOCACHE)/fuzz/$(go list -m)

wanted() {
	local text
	[[ $# == 1 ]] && return 0
	for text in "${@:2}"; do
		[[ "$1" == *"$text"* ]] && return 0
	done
	return 1
}

fuzz() { # PACKAGE TARGET
	local out code execs
	out=$(cd "$root/$1" && "$bin/test" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" \
		-test.fuzzcachedir "$found/$1" -test.parallel "${FUZZPARALLEL:-1}" 2>&1)
	code=$?
	# Go's fuzzer at times reports its own end as a failure.
	[[ $code != 0 && "$out" == *"context deadline exceeded"* && "$out" != *"Failing input"* ]] && code=0
	execs=$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -n 1 | cut -d' ' -f2)
	if [[ ${FUZZKEEP:-0} != 0 && -d "$found/$1/$2" ]]; then
		mkdir -p "$root/$1/testdata/fuzz/$2"
		ls -Sr "$found/$1/$2" | head -n "$FUZZKEEP" | while read -r seed; do
			cp "$found/$1/$2/$seed" "$root/$1/testdata/fuzz/$2/$seed"
		done
	fi
	printf '%-40s %-20s %12s execs  %s\n' "$1" "$2" "${execs:-0}" "$([[ $code == 0 ]] && echo ok || echo FAILED)"
	if [[ $code != 0 ]]; then
		failed=1
		tail -n 30 <<<"$out"
	fi
}

while read -r package; do
	wanted "$package" "$@" || continue
	if ! go test -c -fuzz . -o "$bin/test" "./$package"; then
		failed=1
		continue
	fi
	while IFS=: read -r _ line; do
		target=${line#func }
		fuzz "$package" "${target%%(*}"
	done < <(grep -h -n '^func Fuzz' "$package"/*_test.go)
done < <(grep -rl --include='*_test.go' '^func Fuzz' cmd pkg | xargs -n 1 dirname | sort -u)
exit $failed
