#!/usr/bin/env bash
# ./dev package: what operators install, from the programs in build/release/bin.
# usage: package/run.sh [--out DIRECTORY] [PART…]      PART: images; all when none is named
set -euo pipefail
out=build/package
[[ ${1:-} == --out ]] && {
  out=$(mkdir -p "$2" && realpath "$2")
  shift 2
}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BIN=build/release/bin
PROGRAMS=(pilotlight-agent pilotlight-collector pilotlight)
VERSION=$("$BIN/pilotlight" --version | cut -d ' ' -f 2)
REVISION=$(git rev-parse HEAD)$(git diff --quiet HEAD || echo -dirty)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Names of functions stay: pilotlight is profiled too. Lines and the directory it was built in go.
for program in "${PROGRAMS[@]}"; do strip --strip-debug -o "$work/$program" "$BIN/$program"; done

# image NAME UID:GID TITLE PROGRAM…
image() {
  local name=$1 user=$2 title=$3
  shift 3
  package/image.py --name "$name" --version "$VERSION" --revision "$REVISION" --title "$title" --user "$user" \
    --out "$out" "${@/#/$work/}"
}

images() {
  # Kubernetes gives capabilities to no other user than root; which ones is for the pod to say.
  image pilotlight-agent 0:0 'pilotlight agent' pilotlight-agent
  image pilotlight-collector 65532:65532 'pilotlight collector' pilotlight-collector pilotlight
}

for part in "${@:-images}"; do "$part"; done
