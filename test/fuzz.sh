#!/usr/bin/env bash
# Runs every fuzz target of the house, one after the other, for FUZZTIME each,
# and says how often each was tried. A target that fails leaves what made it
# fail under its package's testdata/fuzz, where the tests find it from then on.
#
#   test/fuzz.sh [TEXT]    only targets whose package or name contains TEXT
set -uo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

time=${FUZZTIME:-30s} failed=0
while IFS=: read -r file _ line; do
	package=./$(dirname "$file")
	target=${line#func } target=${target%%(*}
	[[ "$package $target" == *"${1:-}"* ]] || continue
	out=$(go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel "${FUZZPARALLEL:-1}" 2>&1)
	code=$?
	execs=$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -n 1 | cut -d' ' -f2)
	printf '%-45s %-22s %12s execs  %s\n' "$package" "$target" "${execs:-0}" "$([[ $code == 0 ]] && echo ok || echo FAIL)"
	if [[ $code != 0 ]]; then
		failed=1
		printf '%s\n' "$out" | tail -n 30
	fi
done < <(grep -rn --include='*_test.go' '^func Fuzz' cmd pkg)
exit $failed
