#!/usr/bin/env bash
# ./dev package: what operators install, from the programs in build/release/bin. The same commit on the same packages makes
# the same bytes.
# usage: package/run.sh [--out DIRECTORY] [PART…]
set -euo pipefail
out=build/package
[[ ${1:-} == --out ]] && {
  out=$2
  shift 2
}
out=$(mkdir -p "$out" && realpath "$out")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PARTS=(images chart manifests tarball deb)
readonly BIN=build/release/bin
readonly PROGRAMS=(pilotlight-agent pilotlight-collector pilotlight)
VERSION=$("$BIN/pilotlight" --version | cut -d ' ' -f 2)
REVISION=$(git rev-parse HEAD)$(git diff --quiet HEAD || echo -dirty)
ARCHITECTURE=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Names of functions stay: pilotlight is profiled too. Lines and the directory it was built in go.
mkdir "$work/bin"
for program in "${PROGRAMS[@]}"; do strip --strip-debug -o "$work/bin/$program" "$BIN/$program"; done

# image NAME UID:GID TITLE PROGRAM…
image() {
  local name=$1 user=$2 title=$3
  shift 3
  package/image.py --name "$name" --version "$VERSION" --revision "$REVISION" --title "$title" --user "$user" \
    --out "$out" "${@/#/$work/bin/}"
}

images() {
  # Kubernetes gives capabilities to no other user than root; which ones is for the pod to say.
  image pilotlight-agent 0:0 'pilotlight agent' pilotlight-agent
  image pilotlight-collector 65532:65532 'pilotlight collector' pilotlight-collector pilotlight
}

# archive DIRECTORY NAME FILE.tar.gz: its subdirectory NAME.
archive() {
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$1" -c "$2" | gzip -9n >"$out/$3"
  echo "$3"
}

helm() { build/kubernetes/helm "$@"; }

chart() {
  tests/kubernetes/build.sh helm
  mkdir "$work/chart"
  helm package helm/pilotlight --destination "$work/chart" >/dev/null
  tar --warning=no-timestamp -C "$work/chart" -xf "$work/chart/pilotlight-$VERSION.tgz"
  archive "$work/chart" pilotlight "pilotlight-$VERSION.tgz"
}

# What `helm install pilotlight` would make in the namespace pilotlight, with the values' defaults.
manifests() {
  tests/kubernetes/build.sh helm
  local file=pilotlight-$VERSION.yaml
  {
    cat package/namespace.yaml
    helm template pilotlight helm/pilotlight --namespace pilotlight --skip-tests |
      sed '/^# Source: /d; /app.kubernetes.io\/managed-by: /d; /helm.sh\/chart: /d'
  } >"$out/$file"
  echo "$file"
}

# lay_out DIRECTORY: the programs and what belongs to them, as below /usr.
lay_out() {
  local usr=$1 program
  install -D -t "$usr/bin" "$work"/bin/*
  mkdir -p "$usr/share/man/man1"
  for program in "${PROGRAMS[@]}"; do
    "$work/bin/$program" --help-man | gzip -9n >"$usr/share/man/man1/$program.1.gz"
  done
  install -d "$usr/share/bash-completion/completions" "$usr/share/zsh/vendor-completions" "$usr/share/fish/vendor_completions.d"
  "$work/bin/pilotlight" completion bash >"$usr/share/bash-completion/completions/pilotlight"
  "$work/bin/pilotlight" completion zsh >"$usr/share/zsh/vendor-completions/_pilotlight"
  "$work/bin/pilotlight" completion fish >"$usr/share/fish/vendor_completions.d/pilotlight.fish"
  install -D -m 644 -t "$usr/share/pilotlight" helm/pilotlight/prometheus/rules.yaml helm/pilotlight/grafana/dashboard.json
  install -D -m 644 -t "$usr/lib/systemd/system" package/systemd/*.service
  install -D -m 644 LICENSE "$usr/share/doc/pilotlight/copyright"
  install -D -m 644 -t "$usr/share/doc/pilotlight" CHANGELOG.md
}

# The Debian packages that the programs need.
dependencies() {
  mkdir -p "$work/shlibdeps/debian"
  echo "Source: pilotlight" >"$work/shlibdeps/debian/control"
  (cd "$work/shlibdeps" && dpkg-shlibdeps -O "${PROGRAMS[@]/#/$work/bin/}" 2>/dev/null) | sed 's/^shlibs:Depends=//'
}

tarball() {
  local name=pilotlight-$VERSION-linux-$ARCHITECTURE
  lay_out "$work/tarball/$name"
  dependencies >"$work/tarball/$name/share/doc/pilotlight/debian-12-packages"
  archive "$work/tarball" "$name" "$name.tar.gz"
}

deb() {
  local root=$work/deb file=pilotlight_${VERSION}_$ARCHITECTURE.deb service
  lay_out "$root/usr"
  gzip -9n "$root/usr/share/doc/pilotlight/CHANGELOG.md"
  mkdir "$root/DEBIAN"
  for service in agent collector; do
    install -D -m 644 "package/debian/pilotlight-$service.default" "$root/etc/default/pilotlight-$service"
    echo "/etc/default/pilotlight-$service" >>"$root/DEBIAN/conffiles"
  done
  install -m 755 -t "$root/DEBIAN" package/debian/{postinst,prerm,postrm}
  sed "s/@VERSION@/$VERSION/; s/@ARCHITECTURE@/$ARCHITECTURE/; s/@DEPENDS@/$(dependencies)/
       s/@MAINTAINER@/${DEBFULLNAME:-pilotlight} <${DEBEMAIL:-root@localhost}>/
       s/@SIZE@/$(du -k -s --apparent-size "$root" | cut -f 1)/" package/debian/control.in >"$root/DEBIAN/control"
  (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out/$file" >/dev/null
  echo "$file"
}

for part in "${@:-${PARTS[@]}}"; do
  [[ " ${PARTS[*]} " == *" $part "* ]] || {
    echo "package: no part \"$part\"; there are ${PARTS[*]}" >&2
    exit 2
  }
done
for part in "${@:-${PARTS[@]}}"; do "$part"; done
