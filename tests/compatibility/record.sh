#!/usr/bin/env bash
# Keeps what this tree stores and sends for the tests of later ones, in tests/compatibility/VERSION. From its release on
# that stays as it is: package/release.sh makes it for the last time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(sed -nE 's/^project\(pilotlight VERSION ([^ ]+) .*/\1/p' CMakeLists.txt)
directory=tests/compatibility/$version
if git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null; then
  printf 'record: %s is of a release, which does not change any more\n' "$directory" >&2
  exit 1
fi
./dev build release compatibility_test
rm -rf "$directory"
build/release/tests/compatibility_test --record "$directory"
# What a store needs not to be opened.
find "$directory/store" \( -name 'LOG*' -o -name LOCK -o -name IDENTITY -o -name 'OPTIONS-*' \) -delete
du -sh "$directory"
