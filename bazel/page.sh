#!/usr/bin/env bash
# page.sh PACKAGES COMMAND…: runs it where the page's sources stand beside the packages that npm has fetched.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xf "$1"
shift
cp -rL web/src web/*.mjs web/*.json "$work"
cd "$work"
"$@"
