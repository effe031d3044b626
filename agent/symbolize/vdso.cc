#include "agent/symbolize/vdso.h"

#include <sys/auxv.h>
#include <unistd.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "agent/targets/process_maps.h"

namespace pilotlight::agent {

std::string ReadVdso() {
  const auto start = static_cast<uint64_t>(::getauxval(AT_SYSINFO_EHDR));
  const absl::StatusOr<ProcessMaps> maps = ProcessMaps::Read(::getpid());
  if (start == 0 || !maps.ok()) return "";
  const Mapping* mapping = maps->Find(start);
  if (mapping == nullptr || mapping->start != start) return "";
  // getauxval() gives addresses as integers. NOLINTNEXTLINE(performance-no-int-to-ptr)
  return std::string(reinterpret_cast<const char*>(start), mapping->end - mapping->start);
}

}  // namespace pilotlight::agent
