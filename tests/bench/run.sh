#!/usr/bin/env bash
# ./dev bench [NAME…] [--FLAG…]: the figures of docs/performance.md. Flags go to the benchmark.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly BENCH=build/release/bench
readonly ALL=(agent collector access capture stop_the_world unwind symbolizer uplink exporters store push)
names=()
while (($#)) && [[ $1 != -* ]]; do
  names+=("$1")
  shift
done
[[ ${names[*]:-all} == all ]] && names=("${ALL[@]}")

for name in "${names[@]}"; do
  printf '\n== %s\n' "$name"
  case $name in
    agent | access) python3 "tests/bench/${name}_cost.py" "$@" ;;
    *)
      if [[ ! " ${ALL[*]} " == *" $name "* ]]; then
        echo "bench: no benchmark \"$name\"; there are: ${ALL[*]}" >&2
        exit 2
      fi
      "$BENCH/${name}_benchmark" "$@"
      ;;
  esac
done
