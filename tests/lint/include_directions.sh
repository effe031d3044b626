#!/usr/bin/env bash
# Who may include whom (docs/architecture.md, "Directions"). Prints each include that goes the wrong way.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

wrong=0
# forbid DIRECTORY 'REGEX of forbidden includes' [PATH to leave out]
forbid() {
  local found
  found=$(git ls-files -co --exclude-standard -- "$1/*.cc" "$1/*.h" | grep -vE "_test\.cc$|_benchmark\.cc$|${3:-^$}" |
    xargs -r grep -nE "#include \"($2)" || true)
  [[ -z $found ]] && return
  printf '%s must not include %s:\n%s\n' "$1" "$2" "$found" >&2
  wrong=1
}

forbid base 'profile/|objfile/|exporters/|agent/|collector/|cli/|pilotlight/|pprof/'
forbid profile 'objfile/|exporters/|agent/|collector/|cli/|pprof/'
forbid profile 'pilotlight/' '^profile/wire\.(h|cc)$'
forbid objfile 'profile/|exporters/|agent/|collector/|cli/|pilotlight/|pprof/'
forbid exporters 'objfile/|agent/|collector/|cli/|pilotlight/'
forbid agent 'collector/|cli/'
forbid collector 'agent/|cli/'
forbid agent/capture 'agent/(symbolize|fold|insight|schedule|uplink)/'
exit "$wrong"
