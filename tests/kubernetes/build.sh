#!/usr/bin/env bash
# Builds into build/kubernetes what the tests of the chart use: helm, helm-unittest, kubeconform, kube-score and a real
# Kubernetes; with the argument helm, that alone. Minutes at first, seconds when they are there: Go knows whether anything has
# changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly OUT=$PWD/../../build/kubernetes
mkdir -p "$OUT"
# ./dev test starts this in the background; a test that comes to need it waits.
exec 9>"$OUT/lock"
flock 9

version() { go list -m -f '{{.Version}}' "$1"; }
kubernetes=$(version k8s.io/kubernetes)
minor=${kubernetes#v1.}
flags="-s -w -X k8s.io/component-base/version.gitVersion=$kubernetes"
flags+=" -X helm.sh/helm/v3/internal/version.version=$(version helm.sh/helm/v3)"
for package in lint/rules chartutil; do
  flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=${minor%.*}"
done
# build PACKAGE…
build() { go build -buildvcs=false -ldflags "$flags" -o "$OUT/" "$@"; }
readonly HELM_PACKAGE=helm.sh/helm/v3/cmd/helm
if [[ ${1:-} == helm ]]; then
  build $HELM_PACKAGE
  exit
fi
build $HELM_PACKAGE github.com/helm-unittest/helm-unittest/cmd/helm-unittest github.com/yannh/kubeconform/cmd/kubeconform . ./foreign
for name in kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do ln -sf kubernetes "$OUT/$name"; done
# Does not build beside this Kubernetes's modules.
[[ -x $OUT/kube-score ]] || GOBIN=$OUT go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0
"$PWD/schemas.py" "$(go list -m -f '{{.Dir}}' k8s.io/kubernetes)/api/openapi-spec/swagger.json" "$OUT/schemas"
