// Counts what profile rules ask for in each stored window, as Prometheus metrics.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "collector/rules/rule.h"
#include "collector/rules/stack_matches.h"
#include "collector/store/matcher.h"
#include "profile/profile.h"

namespace pilotlight::collector {

// Thread-safe. CPU time only, and without extra captures (label `trigger`): the usual windows around them
// stand for their time too.
//
// A rule has a group, three metrics, for each combination of values of its labels in each tenant, whose name
// is the label `tenant` unless it is the anonymous one. A group that nothing was counted in for an hour is
// dropped; samples beyond `max_groups` of a rule and tenant are counted as overflow.
class ProfileRules {
 public:
  // The clock and the registry must outlive it.
  ProfileRules(const Clock& clock, prometheus::Registry& registry, size_t max_groups);
  ~ProfileRules();

  // Takes these in the place of all others. Rules that stay the same keep their counters.
  // InvalidArgument, and nothing changes, when one makes no sense; ParseRules() has told that before.
  absl::Status Set(const std::vector<Rule>& rules);
  // REQUIRES: the window was stored just now.
  void Count(const std::string& tenant, const Window& window);
  // Before a scrape: brings the gauges up to date, drops what is idle.
  void Update();

 private:
  struct Group {
    prometheus::Counter* cpu_seconds = nullptr;
    prometheus::Counter* samples = nullptr;
    prometheus::Gauge* cores = nullptr;
    absl::Time last_counted;
  };
  // A rule's groups in one tenant, by the values of its labels.
  struct Tenant {
    prometheus::Counter* overflow = nullptr;
    absl::flat_hash_map<std::vector<std::string>, Group> groups;
  };
  struct State {
    Rule rule;
    bool removed = false;
    std::map<std::string, Tenant> tenants;
  };
  // What is asked of each window. Immutable but for the cache of names.
  struct RuleSet {
    std::vector<std::vector<Matcher>> matchers;
    uint64_t without_focus = 0;  // a bit for each rule
    std::unique_ptr<StackMatches> stacks;
    std::vector<std::shared_ptr<State>> states;
  };
  struct Hit {
    std::shared_ptr<State> state;
    std::string tenant;
    std::vector<std::string> values;
    uint64_t samples = 0;
    int64_t value = 0;
  };
  // What the last window of an agent's source counted, for the gauges.
  struct LastWindow {
    absl::Time start;
    absl::Time expires;
    absl::Duration duration;
    std::vector<Hit> hits;
  };
  using Source = std::tuple<std::string, std::string, std::string>;  // tenant, agent, source

  static std::vector<Hit> FindHits(const std::string& tenant, const Window& window, const RuleSet& rules);
  Tenant& FindTenant(State& state, const std::string& tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null when there are too many.
  Group* FindGroup(const Hit& hit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remember(const std::string& tenant, const Window& window, std::vector<Hit> hits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const Group& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const size_t max_groups_;
  prometheus::Family<prometheus::Counter>& cpu_seconds_;
  prometheus::Family<prometheus::Counter>& samples_;
  prometheus::Family<prometheus::Gauge>& cores_;
  prometheus::Family<prometheus::Counter>& overflow_samples_;
  prometheus::Gauge& rules_;
  prometheus::Counter& forgotten_windows_;
  prometheus::Counter& cache_resets_;

  Mutex mutex_;
  std::shared_ptr<const RuleSet> current_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Source, LastWindow> last_windows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
