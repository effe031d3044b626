#!/usr/bin/env bash
# ./dev demo: a collector, an agent and two workloads, all real; shows what came of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly BIN=$PWD/build/release/bin
readonly WORKLOADS=$PWD/build/release/workloads
readonly WINDOWS=2
once=
case "${1:-}" in
  "") ;;
  --once) once=yes ;;
  *)
    echo "usage: ./dev demo [--once]" >&2
    exit 2
    ;;
esac

directory=$(mktemp -d)
children=()
clean_up() {
  trap - EXIT INT TERM
  ((${#children[@]})) && kill "${children[@]}" 2>/dev/null
  wait 2>/dev/null
  rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# free_port PREFERRED: that port, or another one when somebody listens there.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
collector_grpc=127.0.0.1:$(free_port 7171)
collector_http=127.0.0.1:$(free_port 4040)
agent_http=127.0.0.1:$(free_port 9177)

# start NAME COMMAND…: in the background, its output in a file of its name.
start() {
  local name=$1
  shift
  "$@" >"$directory/$name.log" 2>&1 </dev/null &
  children+=($!)
}

died() {
  echo "The $1 ended:" >&2
  cat "$directory/$1.log" >&2
  exit 1
}

# await NAME SECONDS CONDITION…: until the condition holds; fails when the program NAME ends.
await() {
  local name=$1 seconds=$2 pid=${children[-1]}
  shift 2
  local deadline=$((SECONDS + seconds))
  until "$@"; do
    kill -0 "$pid" 2>/dev/null || died "$name"
    ((SECONDS < deadline)) || {
      echo "The $name was not ready after $seconds s:" >&2
      died "$name"
    }
    sleep 0.2
  done
}
ready() { curl -sf "http://$1/-/ready" >/dev/null; }
printed_ready() { grep -q '^ready' "$directory/$1.log"; }

start webshop "$WORKLOADS/webshop" --busy 0.6
await webshop 10 printed_ready webshop
webshop_url=$(sed -n 's/.*url=//p' "$directory/webshop.log")
start cruncher "$WORKLOADS/cruncher" 0.4
await cruncher 10 printed_ready cruncher

start collector "$BIN/pilotlight-collector" --storage.path "$directory/data" \
  --grpc.listen-address "$collector_grpc" --web.listen-address "$collector_http"
await collector 30 ready "$collector_http"

# Windows follow one another faster here than the default of 10 s a minute, so that there is soon something
# to see.
start_agent() {
  start agent "$BIN/pilotlight-agent" --collector.address "$collector_grpc" --spool.path "$directory/spool" \
    --web.listen-address "$agent_http" --capture.duration 5s --capture.interval 8s "$@"
  until ready "$agent_http" || ! kill -0 "${children[-1]}" 2>/dev/null; do sleep 0.2; done
}
start_agent
if ! kill -0 "${children[-1]}" 2>/dev/null; then
  grep -h 'no capture source works' "$directory/agent.log" || died agent
  start_agent --capture.source pprof --pprof.target "webshop=$webshop_url"
  ready "$agent_http" || died agent
fi
# The agent says so when it had to pass a source over.
sed -n 's/.*msg="\(capturing with .*\)"$/\1/p' "$directory/agent.log"

metric() { curl -sf "http://$agent_http/metrics" | awk -v name="$1" '$1 == name {print int($2)}'; }
shown=
acknowledged() {
  local count
  count=$(metric pilotlight_uplink_acknowledged_windows_total)
  if [[ "$count" != "$shown" && -t 2 ]]; then
    printf '\rWindows at the collector: %s of %s' "${count:-0}" "$WINDOWS" >&2
    shown=$count
  fi
  ((${count:-0} >= WINDOWS))
}
await agent 120 acknowledged
[[ -t 2 ]] && printf '\r\033[K' >&2

run() {
  printf '\n$ pilotlight %s\n' "$*"
  PILOTLIGHT_COLLECTOR=$collector_grpc "$BIN/pilotlight" "$@"
}
run top -n 12
run top -s '{service="webshop"}' -n 8 --cum

printf '\nGo shares of the last window (%s/metrics):\n' "$agent_http"
curl -sf "http://$agent_http/metrics" |
  sed -nE 's/^pilotlight_go_([a-z_]+)_ratio\{.*service="([^"]+)".*\} ([-+0-9.e]+)$/\2 \1 \3/p' |
  awk '{printf "  %-20s %-12s %5.1f %%\n", $1, $2, $3 * 100}'

run flame -s '{service=~"webshop|cruncher"}' -o svg --out flame.svg
printf '\nLook at:  flame.svg, http://%s/, http://%s/metrics\n' "$collector_http" "$agent_http"
printf 'Ask:      %s top --collector %s\n' "${BIN#"$PWD/"}/pilotlight" "$collector_grpc"
[[ -n $once ]] && exit 0
echo "Ctrl-C ends it all."
wait
