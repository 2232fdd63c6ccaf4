#!/bin/sh
# Builds fairway-forge, a Gitea without containers, once, and prints where it is.
# Beside it lies what it reads at run time. Both are kept in a cache folder under a
# key made of the sources, the versions of the modules and of Go, so that every
# later call is instant until one of them changes. Calls at the same time build once.
set -eu
export CGO_ENABLED=0 # its SQLite is Go too

forge=$(cd "$(dirname "$0")" && pwd)
cd "$forge"

goVersion=$(go env GOVERSION)
key=$(
	{
		echo "$goVersion"
		sha256sum build.sh go.mod go.sum ./*.go
	} | sha256sum | cut -c1-16
)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fairway/forge
folder=$cache/$key
binary=$folder/fairway-forge

if [ -x "$binary" ]; then
	touch "$folder" # it is in use: see the end
	echo "$binary"
	exit 0
fi

say() { echo "fairway-forge: $*" >&2; }

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

gitea=$(go list -m -f '{{.Version}}' code.gitea.io/gitea)
say "building Gitea $gitea with $goVersion"
say "the first build compiles about 1600 packages and takes 5 to 8 minutes on two cores; later ones take seconds"

new=$folder/fairway-forge.$$
began=$(date +%s)
# The lock is not handed on (9>&-), or a killed script would leave it taken.
nice -n 10 go build -trimpath -o "$new" -ldflags "-s -w -X main.version=${gitea#v}" . >&2 9>&- &
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

# What Gitea reads at run time, so that the binary needs no module cache. Its pages
# stay away: they would need their front end built.
source=$(go list -m -f '{{.Dir}}' code.gitea.io/gitea)
rm -rf "$folder/static"
mkdir "$folder/static"
cp -r "$source/options" "$source/templates" "$source/public" "$folder/static"
chmod -R u+w "$folder/static"
trap - EXIT
mv "$new" "$binary"
say "built in $(($(date +%s) - began)) s: $(du -h "$binary" | cut -f1)"
# Binaries nobody asked for in a month are of sources that are gone.
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +
echo "$binary"
