#!/usr/bin/env bash
# ./dev bench [NAME…] [--FLAG…]: the figures of docs/performance.md. Flags go to the benchmark.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly BENCH=build/release/bench
names=()
while (($#)) && [[ $1 != -* ]]; do
  names+=("$1")
  shift
done
[[ ${names[*]:-all} == all ]] && names=(agent collector capture unwind symbolizer uplink exporters store push)

for name in "${names[@]}"; do
  printf '\n== %s\n' "$name"
  case $name in
    agent) python3 tests/bench/agent_cost.py "$@" ;;
    collector) "$BENCH/collector_benchmark" "$@" ;;
    capture | unwind | symbolizer | uplink | exporters | store | push) "$BENCH/${name}_benchmark" "$@" ;;
    *)
      echo "bench: no benchmark \"$name\"; there are: agent, collector, capture, unwind, symbolizer, uplink, exporters, store, push" >&2
      exit 2
      ;;
  esac
done
