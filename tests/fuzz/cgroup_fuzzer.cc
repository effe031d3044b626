// What any text says of a container, a pod and a unit has their form.
#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/targets/cgroup.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto cgroup = pilotlight::agent::ParseCgroup({reinterpret_cast<const char*>(data), size});
  CHECK(cgroup.container_id.empty() || cgroup.container_id.size() == 64);
  CHECK(cgroup.pod_uid.empty() || cgroup.pod_uid.size() == 32 || cgroup.pod_uid.size() == 36);
  CHECK(cgroup.pod_uid.empty() || !cgroup.container_id.empty());
  CHECK(cgroup.systemd_unit.empty() || cgroup.systemd_unit.ends_with(".service"));
  CHECK(cgroup.systemd_unit.empty() || cgroup.container_id.empty());
  return 0;
}
