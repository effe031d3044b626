#!/usr/bin/env bash
# Makes a release of this checkout: sets its version, keeps its formats for later tests, builds the packages, tags it.
# Nothing is pushed. What CHANGELOG.md says about it is written before, below "## VERSION - DATE".
#
#   package/release.sh [--dry-run] VERSION
#
# --dry-run does the same in a clone that is thrown away, without building anything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where the version stands for people to copy; where it lives is CMakeLists.txt and Chart.yaml.
readonly EXAMPLES=(README.md docs/operations.md package/Dockerfile)
readonly CHART=helm/pilotlight/Chart.yaml

fail() {
  printf 'release: %s\n' "$*" >&2
  exit 1
}

version_of_programs() { sed -nE 's/^project\(pilotlight VERSION ([^ ]+) .*/\1/p' CMakeLists.txt; }

check() {
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "\"$version\" is no version: MAJOR.MINOR.PATCH"
  [[ -z $(git status --porcelain) ]] || fail "the tree is not clean: $(git status --porcelain | head -3 | tr '\n' ' ')"
  git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null && fail "v$version is tagged already"
  grep -qE "^## ${version//./\\.} - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md ||
    fail "CHANGELOG.md has no \"## $version - YYYY-MM-DD\""
}

set_version() {
  local old
  old=$(version_of_programs)
  sed -i "s/^project(pilotlight VERSION $old /project(pilotlight VERSION $version /" CMakeLists.txt
  sed -i -E "s/^(version|appVersion): .*/\1: $version/" "$CHART"
  sed -i "s/\b${old//./\\.}\b/$version/g" "${EXAMPLES[@]}"
  local chart
  chart=$(sed -nE 's/^(appVersion|version): //p' "$CHART" | sort -u)
  [[ $(version_of_programs) == "$version" && $chart == "$version" ]] ||
    fail "CMakeLists.txt and $CHART did not take the version $version"
}

dry_run=
[[ ${1:-} == --dry-run ]] && dry_run=1 && shift
(($# == 1)) || fail "usage: package/release.sh [--dry-run] VERSION"
readonly version=$1 dry_run

check
if [[ -n $dry_run ]]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  git clone --quiet . "$scratch/pilotlight"
  cd "$scratch/pilotlight"
  git config user.name "dry run"
  git config user.email dry-run@localhost
fi
set_version
if [[ -z $dry_run ]]; then
  tests/compatibility/record.sh
  git add tests/compatibility
fi
git diff --quiet HEAD || git commit --quiet --all --message "Version $version"
[[ -n $dry_run ]] || ./dev package
git tag --annotate --message "pilotlight $version" "v$version"
printf 'release: v%s is tagged%s:\n' "$version" "${dry_run:+, in a clone that is gone now}"
git log --oneline --stat -1
[[ -n $dry_run ]] || printf 'release: packages are in build/package; git push origin HEAD v%s\n' "$version"
