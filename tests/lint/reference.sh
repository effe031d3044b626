#!/usr/bin/env bash
# docs/reference.md has every metric and flag of the code, and no other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# differ WHAT REGEX: what only one of the two has.
differ() {
  local only
  only=$(diff <(git ls-files -co --exclude-standard -- '*.cc' | grep -E '^(agent|base|collector)/' |
    grep -v '_test\.cc$' | xargs grep -hoE "\"$2\"" | tr -d '"' | sort -u) \
    <(grep -oE "\`$2\`" docs/reference.md | tr -d '\`' | sort -u) | grep '^[<>]' || true)
  [[ -z $only ]] && return
  printf '%s: "<" is missing in docs/reference.md, ">" is not in the code:\n%s\n' "$1" "$only" >&2
  return 1
}

ok=yes
differ Metrics 'pilotlight_[a-z_]*[a-z]' || ok=
differ Flags '--[a-z]+(\.[a-z-]+)+' || ok=
[[ -n $ok ]]
