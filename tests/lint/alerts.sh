#!/usr/bin/env bash
# The alert rules are right, fire and do not fire as their tests say, and each has a page that says what to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly RULES=helm/pilotlight/prometheus/rules.yaml
promtool check rules "$RULES" >/dev/null
promtool test rules helm/pilotlight/prometheus/rules_test.yaml >/dev/null
failed=0
while read -r alert; do
  if [[ ! -f docs/runbooks/$alert.md ]]; then
    echo "$RULES: no page docs/runbooks/$alert.md" >&2
    failed=1
  fi
  if ! grep -q "alertname: $alert" helm/pilotlight/prometheus/rules_test.yaml; then
    echo "$RULES: $alert has no test in helm/pilotlight/prometheus/rules_test.yaml" >&2
    failed=1
  fi
done < <(sed -n 's/^ *- alert: //p' "$RULES")
exit "$failed"
