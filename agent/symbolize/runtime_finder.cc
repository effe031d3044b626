#include "agent/symbolize/runtime_finder.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "agent/symbolize/binary_opener.h"

namespace pilotlight::agent {
namespace {

// When full, all are forgotten, and found again.
constexpr size_t kMaxProcesses = 4096;
constexpr size_t kMaxFiles = 1024;
constexpr uint64_t kMaxSymbols = 1 << 20;

absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

bool IsLibrary(const Mapping& mapping) {
  return mapping.inode != 0 && absl::StartsWith(BaseName(mapping.path), "libpython3");
}

// The 11 of "libpython3.11.so.1.0" or "python3.11"; 0 when there is none.
int MinorOfName(absl::string_view path) {
  absl::string_view name = BaseName(path);
  absl::ConsumePrefix(&name, "lib");
  if (!absl::ConsumePrefix(&name, "python3.")) return 0;
  name = name.substr(0, std::min(name.size(), name.find_first_not_of("0123456789")));
  int minor = 0;
  return absl::SimpleAtoi(name, &minor) ? minor : 0;
}

struct Wanted {
  absl::string_view name;
  uint64_t value = 0;  // 0 until it is found
};

void FindValues(const ElfFile& elf, absl::Span<Wanted> wanted) {
  for (const ElfSection& table : elf.sections()) {
    if ((table.type != SHT_DYNSYM && table.type != SHT_SYMTAB) || table.link >= elf.sections().size())
      continue;
    const ElfSection& names = elf.sections()[table.link];
    const uint64_t count = std::min(table.size / sizeof(Elf64_Sym), kMaxSymbols);
    for (uint64_t i = 0; i < count; ++i) {
      const auto symbol = elf.bytes().Read<Elf64_Sym>(table.offset + i * sizeof(Elf64_Sym));
      if (!symbol.has_value()) break;
      if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_shndx == SHN_UNDEF) continue;
      if (symbol->st_name >= names.size) continue;
      constexpr size_t kLongest = 48;
      const std::string name = elf.bytes().ReadCString(
          names.offset + symbol->st_name, std::min<uint64_t>(names.size - symbol->st_name, kLongest));
      for (Wanted& one : wanted) {
        if (one.name == name && one.value == 0) one.value = symbol->st_value;
      }
    }
    if (std::ranges::all_of(wanted, [](const Wanted& one) { return one.value != 0; })) return;
  }
}

}  // namespace

std::optional<PythonRuntime> FindPythonRuntime(const ElfFile& elf, absl::string_view path) {
  PythonRuntime runtime{.minor = MinorOfName(path)};
  // Since 3.7 _PyRuntime has a section of its own; a program that shares the library has none.
  if (elf.machine() != EM_X86_64 || elf.FindSection(".PyRuntime") == nullptr) return std::nullopt;
  std::array<Wanted, 5> wanted = {
      {{"_PyRuntime"}, {"PyCode_Type"}, {"PyUnicode_Type"}, {"PyBytes_Type"}, {"Py_Version"}}};
  FindValues(elf, absl::MakeSpan(wanted));
  runtime.runtime = wanted[0].value;
  runtime.code_type = wanted[1].value;
  runtime.string_type = wanted[2].value;
  runtime.bytes_type = wanted[3].value;
  if (wanted[4].value != 0) {  // 3.11 and later
    const auto version = elf.ReadAt<uint64_t>(wanted[4].value);
    runtime.minor = version.has_value() && *version >> 24 == 3 ? static_cast<int>(*version >> 16 & 0xff) : 0;
  }
  if (std::ranges::any_of(wanted, [](const Wanted& one) { return one.value == 0; }) && runtime.minor > 10) {
    runtime.minor = 0;
  }
  return runtime;
}

namespace {

template <typename Runtime>
using RuntimeFiles = absl::flat_hash_map<FileIdentity, std::optional<Runtime>>;

template <typename Runtime>
struct FoundRuntime {
  Runtime runtime;
  uint64_t load_bias = 0;
};

// Nothing when the file cannot be looked at, or has none.
template <typename Runtime, typename Find>
std::optional<FoundRuntime<Runtime>> FindInFile(const Process& process, const Mapping& mapping,
                                                const std::string& proc_root, RuntimeFiles<Runtime>& by_file,
                                                Find find) {
  absl::StatusOr<UniqueFd> fd = OpenMappedFile(process, mapping, proc_root);
  struct stat status {};
  if (!fd.ok() || ::fstat(fd->get(), &status) != 0) return std::nullopt;
  if (by_file.size() >= kMaxFiles) by_file.clear();
  const auto [known, is_new] = by_file.try_emplace(FileIdentity(status));
  if (!is_new && !known->second.has_value()) return std::nullopt;
  const absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(*std::move(fd));
  if (!elf.ok()) return std::nullopt;
  if (is_new) known->second = find(**elf);
  const std::optional<uint64_t> vaddr = (*elf)->OffsetToVaddr(mapping.file_offset);
  if (!known->second.has_value() || !vaddr.has_value()) return std::nullopt;
  return FoundRuntime<Runtime>{.runtime = *known->second, .load_bias = mapping.start - *vaddr};
}

// The program's own, or that of a library.
std::optional<PythonRuntime> FindPython(const Process& process, const std::string& proc_root,
                                        RuntimeFiles<PythonRuntime>& by_file) {
  for (const Mapping& mapping : process.maps.mappings()) {
    if (mapping.inode == 0 || (mapping.path != process.executable && !IsLibrary(mapping))) continue;
    auto found = FindInFile(process, mapping, proc_root, by_file,
                            [&](const ElfFile& elf) { return FindPythonRuntime(elf, mapping.path); });
    if (!found.has_value()) continue;
    PythonRuntime& runtime = found->runtime;
    for (uint64_t* address :
         {&runtime.runtime, &runtime.code_type, &runtime.string_type, &runtime.bytes_type}) {
      if (*address != 0) *address += found->load_bias;
    }
    return runtime;
  }
  return std::nullopt;
}

// With addresses of the ELF file.
std::optional<HotSpotSymbols> FindHotSpotSymbols(const ElfFile& elf) {
  std::array<Wanted, kHotSpotSymbols.size()> wanted = {};
  std::ranges::transform(kHotSpotSymbols, wanted.begin(),
                         [](absl::string_view name) { return Wanted{.name = name}; });
  FindValues(elf, absl::MakeSpan(wanted));
  HotSpotSymbols symbols = {};
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (wanted[i].value == 0) return std::nullopt;
    symbols[i] = wanted[i].value;
  }
  return symbols;
}

std::optional<HotSpotSymbols> FindJvm(const Process& process, const std::string& proc_root,
                                      RuntimeFiles<HotSpotSymbols>& by_file) {
  for (const Mapping& mapping : process.maps.mappings()) {
    if (mapping.inode == 0 || BaseName(mapping.path) != "libjvm.so") continue;
    auto found = FindInFile(process, mapping, proc_root, by_file,
                            [](const ElfFile& elf) { return FindHotSpotSymbols(elf); });
    if (!found.has_value()) continue;
    for (uint64_t& address : found->runtime) address += found->load_bias;
    return found->runtime;
  }
  return std::nullopt;
}

}  // namespace

std::optional<PythonRuntime> FindPythonRuntime(const Process& process, const std::string& proc_root) {
  RuntimeFiles<PythonRuntime> by_file;
  return FindPython(process, proc_root, by_file);
}

std::optional<HotSpotSymbols> FindHotSpotSymbols(const Process& process, const std::string& proc_root) {
  RuntimeFiles<HotSpotSymbols> by_file;
  return FindJvm(process, proc_root, by_file);
}

bool MayRunPython(const Process& process) {
  return absl::StartsWith(BaseName(process.executable), "python") ||
         std::ranges::any_of(process.maps.mappings(), IsLibrary);
}

void RuntimeFinder::OnUnmappedCode(pid_t pid) {
  ProcessWatcher::OnUnmappedCode(pid);
  Look(pid);
}

void RuntimeFinder::Look(pid_t pid) {
  const std::shared_ptr<const Process> process = processes_.Find(pid);
  if (process != nullptr) AddProcess(*process);
}

void RuntimeFinder::AddProcess(const Process& process) {
  if (process.executable.empty()) return;
  if (seen_.size() >= kMaxProcesses) {
    for (const auto& [pid, seen] : seen_) {
      if (seen.has_jvm) source_.ForgetJvm(pid);
    }
    seen_.clear();
    source_.ForgetPythonPrograms();
  }
  Seen& seen = seen_[process.pid];
  if (seen.start_ticks != process.start_ticks || seen.executable != process.executable) {
    if (seen.has_jvm) source_.ForgetJvm(process.pid);
    seen = {.start_ticks = process.start_ticks, .executable = process.executable};
  }
  const size_t mappings = process.maps.mappings().size();
  if (seen.mappings == mappings) return;
  seen.mappings = mappings;
  if (!seen.has_python) {
    const std::optional<PythonRuntime> python = FindPython(process, proc_root_, pythons_);
    seen.has_python = python.has_value();
    if (python.has_value()) source_.OnPythonProgram(process.pid, *python);
  }
  if (!seen.has_jvm) {
    const std::optional<HotSpotSymbols> jvm = FindJvm(process, proc_root_, jvms_);
    seen.has_jvm = jvm.has_value();
    if (jvm.has_value()) source_.OnJvm(process.pid, *jvm);
  }
}

}  // namespace pilotlight::agent
