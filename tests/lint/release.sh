#!/usr/bin/env bash
# package/release.sh as far as it goes without a build: what it refuses, and what a dry run makes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone --quiet . "$scratch/pilotlight"
# As it is here, with what is not committed yet.
git diff HEAD --name-only -z --diff-filter=d | xargs -0r cp --parents -t "$scratch/pilotlight"
cp package/release.sh "$scratch/pilotlight/package/release.sh"
cd "$scratch/pilotlight"
git config user.name test
git config user.email test@localhost

fail() {
  printf 'package/release.sh: %s\n' "$*" >&2
  exit 1
}
# refuses VERSION TEXT
refuses() {
  local said
  if said=$(package/release.sh --dry-run "$1" 2>&1); then fail "made a release of $1"; fi
  [[ $said == *"$2"* ]] || fail "says of $1: $said"
}

git add --all
git commit --quiet --allow-empty --message "as it is"
refuses 9.8 'is no version'
refuses 9.8.7 'CHANGELOG.md has no "## 9.8.7'
sed -i 's/^## Unreleased$/&\n\n## 9.8.7 - 2030-01-01/' CHANGELOG.md
refuses 9.8.7 'the tree is not clean'
git commit --quiet --all --message "Changelog of 9.8.7"
before=$(git rev-parse HEAD)
said=$(package/release.sh --dry-run 9.8.7)
[[ $said == *'v9.8.7 is tagged, in a clone'* && $said == *CMakeLists.txt* && $said == *Chart.yaml* && $said == *README.md* ]] ||
  fail "a dry run says: $said"
[[ $(git rev-parse HEAD) == "$before" && -z $(git status --porcelain) && -z $(git tag --list v9.8.7) ]] ||
  fail "a dry run changes something"
git tag v9.8.7
refuses 9.8.7 'is tagged already'
