#include "agent/stop_the_world/stop_the_world_probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/ebpf/pid_namespace.h"
#include "agent/capture/perf_event.h"
#include "agent/stop_the_world/stop_the_world_places.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "spdlog/spdlog.h"
#include "stop_the_world_bpf.skel.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kMaxExecutables = 256;
constexpr uint64_t kIdleWindows = 60;
// A breakpoint, the program, and going on; see docs/performance.md.
constexpr absl::Duration kTimeOfHit = absl::Microseconds(2);

// Of Linux 6.6, include/uapi/linux/bpf.h: newer than the headers we build with.
constexpr uint32_t kTraceUprobeMulti = 48;  // BPF_TRACE_UPROBE_MULTI
struct UprobeMultiLink {
  uint32_t prog_fd;
  uint32_t target_fd;
  uint32_t attach_type;
  uint32_t flags;
  uint64_t path;
  uint64_t offsets;
  uint64_t ref_ctr_offsets;
  uint64_t cookies;
  uint32_t count;
  uint32_t uprobe_flags;
  uint32_t pid;
  uint32_t unused;
};

absl::StatusOr<UniqueFd> LinkUprobes(int program_fd, const std::string& path,
                                     const std::vector<StopTheWorldPlace>& places) {
  std::vector<uint64_t> offsets;
  std::vector<uint64_t> cookies;
  for (const StopTheWorldPlace& place : places) {
    offsets.push_back(place.file_offset);
    cookies.push_back(place.place);
  }
  UprobeMultiLink link = {.prog_fd = static_cast<uint32_t>(program_fd),
                          .attach_type = kTraceUprobeMulti,
                          .path = reinterpret_cast<uint64_t>(path.c_str()),
                          .offsets = reinterpret_cast<uint64_t>(offsets.data()),
                          .cookies = reinterpret_cast<uint64_t>(cookies.data()),
                          .count = static_cast<uint32_t>(places.size())};
  UniqueFd fd(static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link))));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "attaching uprobes");
  return fd;
}

absl::Status LoadError(int error) {
  const std::string missing = MissingCapabilities({kCapBpf, kCapPerfmon});
  if ((error == EPERM || error == EACCES) && !missing.empty()) {
    return absl::PermissionDeniedError(absl::StrCat("uprobes need ", missing));
  }
  return absl::UnimplementedError(absl::StrCat("uprobes by BPF need Linux 6.6: ", std::strerror(error)));
}

}  // namespace

void StopTheWorldProbes::SkeletonDeleter::operator()(stop_the_world_bpf* skeleton) const {
  stop_the_world_bpf::destroy(skeleton);
}

absl::StatusOr<std::unique_ptr<StopTheWorldProbes>> StopTheWorldProbes::Create(std::string proc_root) {
  Skeleton skeleton(stop_the_world_bpf::open(nullptr));
  if (skeleton == nullptr) return LoadError(errno);
  SetPidNamespace(*skeleton->rodata);
  bpf_program__set_expected_attach_type(skeleton->progs.on_probe,
                                        static_cast<bpf_attach_type>(kTraceUprobeMulti));
  if (const int error = stop_the_world_bpf::load(skeleton.get()); error != 0) return LoadError(-error);
  std::unique_ptr<StopTheWorldProbes> probes(
      new StopTheWorldProbes(std::move(skeleton), std::move(proc_root)));
  return probes;
}

StopTheWorldProbes::~StopTheWorldProbes() = default;

absl::StatusOr<UniqueFd> StopTheWorldProbes::Attach(const std::string& path) const {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenReadOnly(path));
  ASSIGN_OR_RETURN(const std::unique_ptr<ElfFile> elf, ElfFile::FromFd(std::move(fd)));
  const std::vector<StopTheWorldPlace> places = FindStopTheWorldPlaces(*elf);
  if (places.empty()) return absl::UnimplementedError("its runtime is not known");
  return LinkUprobes(bpf_program__fd(skeleton_->progs.on_probe), path, places);
}

bool StopTheWorldProbes::Probe(pid_t pid) {
  const std::string path = absl::StrCat(proc_root_, "/", pid, "/exe");
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  const FileIdentity file(status);
  auto known = executables_.find(file);
  if (known == executables_.end()) {
    if (executables_.size() >= kMaxExecutables) return false;
    known = executables_.try_emplace(file).first;
    absl::StatusOr<UniqueFd> link = Attach(path);
    if (link.ok()) {
      known->second.link = *std::move(link);
    } else {
      spdlog::debug("gc: the stops of process {} cannot be timed: {}", pid,
                    std::string(link.status().message()));
    }
  }
  known->second.last_window = window_;
  return known->second.link.valid();
}

std::optional<pl_stop_the_world> StopTheWorldProbes::Take(const Process& process) {
  if (!Probe(process.pid)) return std::nullopt;
  const auto tgid = static_cast<uint32_t>(process.pid);
  pl_stop_the_world taken;
  if (bpf_map__lookup_and_delete_elem(skeleton_->maps.pauses, &tgid, sizeof(tgid), &taken, sizeof(taken),
                                      0) != 0) {
    return std::nullopt;
  }
  return taken;
}

void StopTheWorldProbes::EndWindow() {
  ++window_;
  absl::erase_if(executables_,
                 [this](const auto& entry) { return window_ - entry.second.last_window > kIdleWindows; });
}

absl::Duration StopTheWorldProbes::kernel_time() const {
  return kTimeOfHit * static_cast<int64_t>(skeleton_->bss->hits);
}

size_t StopTheWorldProbes::size() const {
  return static_cast<size_t>(
      std::ranges::count_if(executables_, [](const auto& entry) { return entry.second.link.valid(); }));
}

}  // namespace pilotlight::agent
