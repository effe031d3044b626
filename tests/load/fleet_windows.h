// What the agents of a made-up fleet send: any window of any agent, the same for the same options.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "profile/profile.h"
#include "tests/load/stack_pool.h"

namespace pilotlight::load {

// The defaults are the fleet of docs/performance.md. There are max(agents, services) instances of a service,
// dealt in turn: 20 agents with 10 services each, or 10,000 agents with one instance of 200 services.
struct FleetOptions {
  size_t agents = 20;
  size_t services = 200;
  absl::Duration interval = absl::Minutes(1);   // from window to window of an agent
  absl::Duration duration = absl::Seconds(10);  // that a window was watched for
  absl::Time start = absl::UnixEpoch();         // of the first window
  uint64_t samples = 380;                       // of a profile; some 195 distinct stacks
  StackPoolOptions pool;
  bool pool_per_service = false;  // else the whole fleet shares one
  // 0: a stream's first window brings the names of all its stacks, and windows are drawn when they are asked
  // for. Else so many windows are drawn and encoded beforehand as agents do it, each with the names that are
  // new in it, and agents share them. They keep to a share of the collector's memory that is not told but
  // given here; 0 is no limit.
  uint64_t scripted_windows = 0;
  size_t scripted_dictionary_bytes = 0;
  std::string boot = "boot-1";
  uint64_t seed = 1;
};

// Thread-safe: all const.
class FleetWindows {
 public:
  explicit FleetWindows(const FleetOptions& options);
  ~FleetWindows();
  FleetWindows(const FleetWindows&) = delete;
  FleetWindows& operator=(const FleetWindows&) = delete;

  const FleetOptions& options() const { return options_; }
  std::string AgentName(size_t agent) const;
  std::string NodeName(size_t agent) const;
  std::string ServiceName(size_t service) const;
  absl::Time Start(size_t agent, uint64_t sequence) const;

  size_t profiles_per_window(size_t agent) const;
  // Of `service`, when each agent has sent windows 1 to sequences[agent].
  uint64_t ExpectedSamples(size_t service, const std::vector<uint64_t>& sequences) const;

  // Replaces `request` by the StreamRequest with this window. `opens_stream`: the receiver has no names yet.
  // REQUIRES: sequence > 0; with scripted windows, at most so many, and only the first opens the stream.
  void Encode(size_t agent, uint64_t sequence, bool opens_stream, std::string& request) const;

  // The same window for who takes it without the wire. `window` is to be empty or of an earlier call for the
  // same agent: its trie is kept.
  void Draw(size_t agent, uint64_t sequence, Window& window) const;

 private:
  struct Pool {
    std::vector<NodeId> nodes;     // of each stack
    std::vector<uint32_t> depths;  // of each stack
  };
  struct Vocabulary;
  struct Script;
  class Counts;

  size_t instances() const { return std::max(options_.agents, options_.services); }
  Labels InstanceLabels(size_t instance) const;
  const Vocabulary& vocabulary(size_t agent) const {
    return *vocabularies_[options_.pool_per_service ? agent : 0];
  }
  const Pool& PoolOf(size_t agent, size_t profile) const;
  // The stacks of each pool that `agent` has; always the same in an empty trie.
  std::vector<std::vector<NodeId>> AddPools(size_t agent, StackTrie& trie) const;
  void DrawCounts(size_t instance, uint64_t sequence, Counts& counts) const;
  void AppendScripted(size_t agent, uint64_t sequence, std::string& window) const;
  void AppendDrawn(size_t agent, uint64_t sequence, std::string& window) const;
  std::unique_ptr<Vocabulary> MakeVocabulary(size_t agent) const;
  std::unique_ptr<Script> MakeScript(size_t agent) const;

  const FleetOptions options_;
  std::vector<uint16_t> zipf_ranks_;       // the rank at each of 2^16 quantiles
  std::vector<uint16_t> shuffled_;         // stacks, in the order of their popularity in service 0
  std::vector<std::string> series_heads_;  // of each instance: labels, type and period, encoded
  std::vector<std::unique_ptr<Vocabulary>> vocabularies_;
  std::vector<std::unique_ptr<Script>> scripts_;
};

}  // namespace pilotlight::load
