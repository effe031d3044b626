// The Go processes of this node that serve net/http/pprof, and where.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/targets/listening_ports.h"
#include "agent/targets/process_table.h"
#include "base/mutex.h"

namespace pilotlight::agent {

struct GoEndpoint {
  pid_t pid = 0;
  uint64_t start_ticks = 0;
  Labels labels;
  ListeningPort port;
  bool tells_gc_pauses = false;  // is to be asked for them
};

// Turns `endpoints`, in order of their pids, so that the first one comes after `pid`.
void StartBehind(pid_t pid, std::vector<GoEndpoint>& endpoints);

// Whether a process could serve it: no others are asked anything.
bool LinksPprof(const Process& process, const std::string& proc_root);

// Thread-safe.
class GoEndpoints {
 public:
  struct Probe {
    std::function<bool(const Process&)> links_pprof;
    std::function<absl::StatusOr<ListeningPort>(pid_t)> find_port;
  };
  static Probe SystemProbe();

  // Looks at most at so many processes in one round; one without an answer is asked again after 1, 2, 4 … of
  // `retry`, up to an hour.
  explicit GoEndpoints(Probe probe = SystemProbe(), size_t max_probes = 16,
                       absl::Duration retry = absl::Minutes(1))
      : probe_(std::move(probe)), max_probes_(max_probes), retry_(retry) {}

  // A Go process was seen at work. Beyond 1024 of them, further ones are ignored.
  // `tells_gc_pauses`: there is no other way to know them.
  void OnGoProcess(const std::shared_ptr<const Process>& process, bool tells_gc_pauses = false);
  // It is not to be asked, if it is known.
  void Forget(pid_t pid);
  // Those that are known now, by pid, after a look for more; `is_alive` tells the ones that are gone. Blocks
  // for the network. Called by one thread.
  std::vector<GoEndpoint> Round(absl::Duration now, const std::function<bool(const Process&)>& is_alive);
  size_t found();
  // It did not answer: look for it anew.
  void Lost(pid_t pid);

 private:
  struct State {
    std::shared_ptr<const Process> process;
    bool tells_gc_pauses = false;
    bool judged = false;  // whether it links pprof is known
    bool found = false;
    ListeningPort port;
    absl::Duration next_try;
    absl::Duration wait;
  };

  void Look(State& state, absl::Duration now) const;

  const Probe probe_;
  const size_t max_probes_;
  const absl::Duration retry_;
  Mutex mutex_;
  std::map<pid_t, State> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::agent
