#include "agent/inspect/process_report.h"

#include <elf.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/capture/pprof/pprof_probe.h"
#include "agent/java/jvm_process.h"
#include "agent/python/python_process.h"
#include "agent/symbolize/binary_opener.h"
#include "agent/symbolize/perf_map_cache.h"
#include "agent/symbolize/runtime_finder.h"
#include "base/status_macros.h"
#include "objfile/elf_symbols.h"
#include "objfile/go_symbols.h"
#include "profile/profile.h"

namespace pilotlight::agent {
namespace {

struct KnownRuntime {
  absl::string_view file;  // its name starts so
  bool is_library;         // any that is mapped, or else the main program
  const char* name;
  const char* advice;
};
constexpr absl::string_view kJvmLibrary = "libjvm.so";
constexpr KnownRuntime kRuntimes[] = {
    {kJvmLibrary, true, "JVM",
     "Java methods have names when it writes a perf map: jcmd PID Compiler.perfmap (JDK 17), or "
     "-XX:+DumpPerfMapAtExit"},
    {"node", false, "Node.js",
     "JavaScript functions have names when it runs with --perf-basic-prof --interpreted-frames-native-stack"},
};

absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

const KnownRuntime* FindRuntime(const Process& process) {
  for (const KnownRuntime& runtime : kRuntimes) {
    if (!runtime.is_library) {
      if (absl::StartsWith(BaseName(process.executable), runtime.file)) return &runtime;
      continue;
    }
    for (const Mapping& mapping : process.maps.mappings()) {
      if (absl::StartsWith(BaseName(mapping.path), runtime.file)) return &runtime;
    }
  }
  return nullptr;
}

absl::Duration CpuTimeOf(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return absl::ZeroDuration();
  return absl::DurationFromTimespec(time);
}

bool HasFunctions(const ElfFile& elf, absl::string_view section) {
  const ElfSection* const table = elf.FindSection(section);
  return table != nullptr && table->size > sizeof(Elf64_Sym);
}

void InspectGo(const GoSymbols& go, ProcessReport& report) {
  const std::string version(absl::StripPrefix(go.go_version(), "go"));
  report.runtime = version.empty() ? "Go" : absl::StrCat("Go ", version);
  report.names = NameCoverage::kAll;
  report.frame_pointers = FramePointers::kAll;
  if (version.empty()) {
    report.advice.emplace_back("the build hides its Go version, so stacks end at runtime.mcall");
  }
}

void InspectPython(pid_t pid, const std::string& proc_root, const PythonRuntime& python,
                   ProcessReport& report) {
  report.runtime = python.minor == 0 ? "CPython" : absl::StrCat("CPython 3.", python.minor);
  const absl::Status found = PythonProcess(pid, python, proc_root).FindProgram().status();
  if (absl::IsUnimplemented(found)) {
    report.advice.push_back(absl::StrCat(
        found.message(), ": only its interpreter is shown; Python functions are of CPython 3.11 to 3.13"));
  } else if (absl::IsPermissionDenied(found)) {
    report.advice.push_back(
        absl::StrCat(found.message(), ", so its functions are not shown: CAP_SYS_PTRACE helps"));
  }
}

void InspectJvm(const Process& process, const std::string& proc_root, ProcessReport& report) {
  const std::optional<HotSpotSymbols> symbols = FindHotSpotSymbols(process, proc_root);
  absl::Status found = absl::UnimplementedError("jvm without tables of its structures not supported");
  if (symbols.has_value()) found = JvmProcess(process.pid, *symbols, proc_root).FindProgram().status();
  if (absl::IsUnimplemented(found)) {
    report.advice.push_back(
        absl::StrCat(found.message(), ": its stacks are whole when it runs with -XX:+PreserveFramePointer"));
  } else if (absl::IsPermissionDenied(found)) {
    report.advice.push_back(absl::StrCat(found.message(), ", so stacks break in Java: CAP_SYS_PTRACE helps"));
  }
}

void InspectPprof(pid_t pid, const std::string& proc_root, ProcessReport& report) {
  const absl::StatusOr<ListeningPort> port = FindPprofPort(pid, proc_root);
  if (port.ok()) {
    report.pprof = absl::StrCat(port->host, ":", port->port);
  } else {
    report.advice.push_back(
        absl::StrCat("its pprof endpoint was not found: ", port.status().message(), ", over plain HTTP"));
  }
}

void InspectNative(const ElfFile& elf, ProcessReport& report) {
  if (!report.stripped) {
    report.names = NameCoverage::kAll;
  } else if (HasFunctions(elf, ".dynsym")) {
    report.names = NameCoverage::kExported;
    report.advice.emplace_back("stripped: only exported functions have names; keep the symbol table");
  } else {
    report.names = NameCoverage::kNone;
    report.advice.emplace_back("stripped: its functions have no names; keep the symbol table");
  }
  const ElfSection* const call_frames = elf.FindSection(".eh_frame");
  // A static program may have those of its C library's start alone; its own come with it or not at all.
  if (call_frames != nullptr && call_frames->size > sizeof(uint32_t)) {
    report.frame_pointers = FramePointers::kNotNeeded;
    return;
  }
  report.frame_pointers = FindFramePointers(elf);
  if (report.frame_pointers == FramePointers::kNone || report.frame_pointers == FramePointers::kSome) {
    report.advice.emplace_back(
        "stacks are cut short: build with -fasynchronous-unwind-tables or -fno-omit-frame-pointer");
  }
}

}  // namespace

FramePointers FindFramePointers(const ElfFile& elf) {
  if (elf.machine() != EM_X86_64) return FramePointers::kUnknown;
  const absl::StatusOr<std::unique_ptr<ElfSymbols>> symbols = ElfSymbols::Create(elf);
  if (!symbols.ok()) return FramePointers::kUnknown;
  constexpr uint64_t kTried = 1024;
  constexpr uint64_t kLeastBytes = 16;  // of a function; shorter ones may need no frame
  constexpr uint64_t kStartBytes = 32;
  // mov %rsp,%rbp in either encoding. It need not be the second instruction.
  constexpr std::array<absl::string_view, 2> kFrameSetUps = {"\x48\x89\xe5", "\x48\x8b\xec"};
  absl::flat_hash_set<uint64_t> seen;
  size_t with = 0;
  for (const ElfSegment& segment : elf.segments()) {
    if (!segment.executable) continue;
    const uint64_t step = std::max<uint64_t>(segment.file_size / kTried, 16);
    for (uint64_t at = 0; at < segment.file_size; at += step) {
      const auto symbol = (*symbols)->Find(segment.vaddr + at);
      if (!symbol.has_value() || symbol->size < kLeastBytes || !seen.insert(symbol->vaddr).second) continue;
      std::string start(std::min(kStartBytes, symbol->size), '\0');
      if (!elf.ReadAt(symbol->vaddr, start.data(), start.size())) continue;
      for (const absl::string_view set_up : kFrameSetUps) with += absl::StrContains(start, set_up) ? 1 : 0;
    }
  }
  if (seen.empty()) return FramePointers::kUnknown;
  const double share = static_cast<double>(with) / static_cast<double>(seen.size());
  // gcc gives no frame to functions that call nothing, whatever the options.
  constexpr double kNearlyAll = 0.6;
  constexpr double kNearlyNone = 0.1;
  if (share >= kNearlyAll) return FramePointers::kAll;
  return share <= kNearlyNone ? FramePointers::kNone : FramePointers::kSome;
}

absl::StatusOr<ProcessReport> InspectProcess(pid_t pid, const std::string& proc_root,
                                             ProcessLabeller* labeller) {
  ProcessTable table(proc_root, labeller);
  table.OnProcess(pid);
  table.UpdateLabels();
  const std::shared_ptr<const Process> process = table.Find(pid);
  if (process == nullptr || process->kernel_thread) {
    return absl::NotFoundError(absl::StrCat("no process ", pid));
  }
  ProcessReport report{.pid = pid, .executable = process->executable, .runtime = "native"};
  const auto service = process->labels.find(std::string(kServiceLabel));
  report.service = service == process->labels.end() ? process->comm : service->second;
  report.cpu_time = CpuTimeOf(pid);

  const absl::StatusOr<std::unique_ptr<ElfFile>> elf = OpenMainBinary(*process, proc_root);
  if (!elf.ok()) {
    report.advice.emplace_back("its binary cannot be read: run as root, or with CAP_SYS_PTRACE");
    return report;
  }
  report.stripped = !HasFunctions(**elf, ".symtab");
  const absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(**elf);
  if (go.ok()) {
    InspectGo(**go, report);
    if ((*go)->HasFunction("net/http/pprof.Index")) InspectPprof(pid, proc_root, report);
    return report;
  }
  if (const KnownRuntime* const runtime = FindRuntime(*process); runtime != nullptr) {
    report.runtime = runtime->name;
    if (runtime->file == kJvmLibrary) InspectJvm(*process, proc_root, report);
    if (!HasPerfMap(*process, proc_root)) report.advice.emplace_back(runtime->advice);
  } else if (const auto python = FindPythonRuntime(*process, proc_root); python.has_value()) {
    InspectPython(pid, proc_root, *python, report);
  }
  InspectNative(**elf, report);
  return report;
}

}  // namespace pilotlight::agent
