// Whose a process is by its control groups: a container's, a systemd unit's, or nobody's that is known.
//
// Read are the paths of /proc/PID/cgroup (cgroups(7)), of cgroup v1, v2 or both at once. They are seen from
// the reader's cgroup namespace, so they may start with "/..". A container is what its runtime calls the
// group:
//
//   group                                        by whom
//   ID                                           Docker and containerd with the cgroupfs driver, CRI-O below
//   a pod docker-ID.scope                              Docker, cri-dockerd with the systemd driver
//   cri-containerd-ID.scope, nerdctl-ID.scope    containerd likewise
//   crio-ID[.scope], libpod-ID[.scope], libpod-payload-ID
//                                                CRI-O, Podman
//   SLICE:cri-containerd:ID                      containerd where kubelet's driver is systemd and its own is
//   not
//
// ID has 64 hexadecimal digits. Of several containers around each other the outermost counts: it is the one
// that this node's runtime knows, and the others may have been named by the container itself. A pod is
// "podUID", or "…-podUID.slice" with "_" for "-", where UID is a UUID or, of a static pod, 32 digits.
//
// A systemd unit is a "*.service" below system.slice of a process in no container; sessions and what belongs
// to users (user@1000.service) are none.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// All may be empty.
struct Cgroup {
  std::string container_id;
  std::string pod_uid;       // as Kubernetes writes it
  std::string systemd_unit;  // "nginx.service"

  friend bool operator==(const Cgroup&, const Cgroup&) = default;
};

// `text` is a whole /proc/PID/cgroup; lines that are none are passed over.
Cgroup ParseCgroup(absl::string_view text);

}  // namespace pilotlight::agent
