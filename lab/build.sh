#!/bin/sh
# Builds fairway-lab, a Kubernetes control plane in one binary, once, and
# prints where it is. The binary is kept in a cache folder under a key made of
# the sources, the versions of the modules and of Go, so that every later call
# is instant until one of them changes. Calls at the same time build once.
set -eu

kubernetes=1.36.3

lab=$(cd "$(dirname "$0")" && pwd)
cd "$lab"

goVersion=$(go env GOVERSION)
key=$(
	{
		echo "$goVersion"
		find . -path ./forge -prune -o '(' -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum -o -name build.sh ')' -print |
			LC_ALL=C sort | xargs sha256sum
	} | sha256sum | cut -c1-16
)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fairway/lab
folder=$cache/$key
binary=$folder/fairway-lab

if [ -x "$binary" ]; then
	touch "$folder" # it is in use: see the end
	echo "$binary"
	exit 0
fi

say() { echo "fairway-lab: $*" >&2; }

mkdir -p "$folder"
exec 9>"$folder/lock"
if ! flock -n 9; then
	say "another build of the same binary is running; waiting for it"
	flock 9
fi
if [ -x "$binary" ]; then
	echo "$binary"
	exit 0
fi

say "building Kubernetes $kubernetes (etcd, API server, controllers, scheduler, kwok) with $goVersion"
say "the first build compiles about 2000 packages and takes 5 to 8 minutes on two cores; later ones take seconds"

new=$folder/fairway-lab.$$
version=k8s.io/component-base/version
began=$(date +%s)
# The lock is not handed on (9>&-), or a killed script would leave it taken.
go build -o "$new" -ldflags "-s -w \
	-X $version.gitVersion=v$kubernetes \
	-X $version.gitMajor=${kubernetes%%.*} \
	-X $version.gitMinor=$(echo "$kubernetes" | cut -d. -f2)" \
	./cmd/fairway-lab >&2 9>&- &
build=$!
trap 'kill "$build" 2>/dev/null || true; rm -f "$new"' EXIT
trap 'exit 130' INT TERM HUP

ticks=0
while kill -0 "$build" 2>/dev/null; do
	sleep 1 9>&-
	ticks=$((ticks + 1))
	if [ $((ticks % 5)) -eq 0 ]; then
		say "still building, $(($(date +%s) - began)) s so far"
	fi
done
if ! wait "$build"; then
	say "the build failed after $(($(date +%s) - began)) s; the messages above are the compiler's"
	exit 1
fi
trap - EXIT
mv "$new" "$binary"
say "built in $(($(date +%s) - began)) s: $(du -h "$binary" | cut -f1)"
# Binaries nobody asked for in a month are of sources that are gone.
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +
echo "$binary"
