#include "agent/inspect/node_report.h"

#include <sys/utsname.h>

#include "absl/strings/str_cat.h"
#include "agent/capture/capture_sources.h"
#include "agent/capture/perf_event.h"
#include "agent/symbolize/kernel_symbols.h"

namespace pilotlight::agent {
namespace {

constexpr Capability kCapSysPtrace = {"CAP_SYS_PTRACE", 19};
constexpr Capability kCapSysAdmin = {"CAP_SYS_ADMIN", 21};
constexpr Capability kCapSyslog = {"CAP_SYSLOG", 34};

constexpr struct {
  Capability capability;
  const char* purpose;
} kRights[] = {
    {kCapBpf, "sampling by eBPF"},
    {kCapPerfmon, "sampling the whole node, by eBPF or perf"},
    {kCapSysPtrace, "binaries and GC pauses of other users' processes"},
    {kCapSyslog, "names of kernel functions"},
    {kCapSysAdmin, "the pprof endpoints of pods: --pprof.discover and doctor"},
};

}  // namespace

NodeReport InspectNode() {
  NodeReport report;
  utsname name{};
  if (uname(&name) == 0) report.kernel = absl::StrCat(name.sysname, " ", name.release, " ", name.machine);
  for (const char* source : {"ebpf", "perf"}) {
    report.sources.push_back({.name = source, .status = CreateCaptureSource(source).status()});
  }
  for (const auto& [capability, purpose] : kRights) {
    report.rights.push_back({.capability = capability.name,
                             .present = MissingCapabilities({capability}).empty(),
                             .purpose = purpose});
  }
  report.kernel_symbols = KernelSymbols::Read().status();
  return report;
}

}  // namespace pilotlight::agent
