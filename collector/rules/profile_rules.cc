#include "collector/rules/profile_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <bit>
#include <map>

#include "base/status_macros.h"
#include "base/tenant_name.h"
#include "profile/stack_filter.h"

namespace pilotlight::collector {
namespace {

constexpr absl::Duration kIdle = absl::Hours(1);
// Far more than agents may be connected; past it gauges lack the sources that came last.
constexpr size_t kMaxLastWindows = 20'000;
// agent/trigger/trigger.h
constexpr absl::string_view kTriggerLabel = "trigger";

bool IsCpuTime(const ProfileType& type) { return type == ProfileType{}; }

std::string ValueOf(const Labels& labels, const std::string& name) {
  const auto label = labels.find(name);
  return label == labels.end() ? "" : label->second;
}

prometheus::Labels MetricLabels(const Rule& rule, const std::string& tenant,
                                const std::vector<std::string>& values) {
  prometheus::Labels labels = {{"rule", rule.name}};
  if (tenant != kAnonymousTenant) labels[kTenantLabel] = tenant;
  for (size_t i = 0; i < values.size(); ++i) {
    // As the agents' metrics name it.
    labels[rule.group_by[i] == kServiceLabel ? "service" : rule.group_by[i]] = values[i];
  }
  return labels;
}

}  // namespace

ProfileRules::ProfileRules(const Clock& clock, prometheus::Registry& registry, size_t max_groups)
    : clock_(clock),
      max_groups_(max_groups),
      cpu_seconds_(prometheus::BuildCounter()
                       .Name("pilotlight_rule_cpu_seconds_total")
                       .Help("CPU time of the stacks that a profile rule matches, an estimate for the whole "
                             "time from what was sampled: its rate is in cores.")
                       .Register(registry)),
      samples_(prometheus::BuildCounter()
                   .Name("pilotlight_rule_samples_total")
                   .Help("Samples of the stacks that a profile rule matches.")
                   .Register(registry)),
      cores_(prometheus::BuildGauge()
                 .Name("pilotlight_rule_cpu_cores")
                 .Help("CPU use of the stacks that a profile rule matches, in the last window of each agent.")
                 .Register(registry)),
      overflow_samples_(prometheus::BuildCounter()
                            .Name("pilotlight_rule_overflow_samples_total")
                            .Help("Samples that a profile rule matches, of label values beyond "
                                  "--rules.max-series.")
                            .Register(registry)),
      rules_(prometheus::BuildGauge()
                 .Name("pilotlight_rules")
                 .Help("Profile rules in use.")
                 .Register(registry)
                 .Add({})),
      forgotten_windows_(prometheus::BuildCounter()
                             .Name("pilotlight_rule_forgotten_windows_total")
                             .Help("Windows that pilotlight_rule_cpu_cores lacks, because there are too many "
                                   "agents.")
                             .Register(registry)
                             .Add({})),
      cache_resets_(prometheus::BuildCounter()
                        .Name("pilotlight_rule_cache_resets_total")
                        .Help("Times that a part of the cache of matched stacks was full and emptied.")
                        .Register(registry)
                        .Add({})),
      current_(std::make_shared<RuleSet>()) {}

ProfileRules::~ProfileRules() = default;

absl::Status ProfileRules::Set(const std::vector<Rule>& rules) {
  const auto next = std::make_shared<RuleSet>();
  std::vector<StackMatches::Expressions> expressions;
  for (const Rule& rule : rules) {
    ASSIGN_OR_RETURN(std::vector<Matcher> matchers, ParseSelector(rule.selector));
    next->matchers.push_back(std::move(matchers));
    StackMatches::Expressions& compiled = expressions.emplace_back();
    ASSIGN_OR_RETURN(compiled.focus, CompileExpression("focus", rule.focus));
    ASSIGN_OR_RETURN(compiled.ignore, CompileExpression("ignore", rule.ignore));
    if (compiled.focus == nullptr) next->without_focus |= uint64_t{1} << (expressions.size() - 1);
  }
  next->stacks = std::make_unique<StackMatches>(std::move(expressions), cache_resets_);

  const MutexLock lock(mutex_);
  for (const Rule& rule : rules) {
    const auto same =
        std::ranges::find(current_->states, rule, [](const auto& state) { return state->rule; });
    if (same != current_->states.end()) {
      next->states.push_back(*same);
      continue;
    }
    next->states.push_back(std::make_shared<State>());
    next->states.back()->rule = rule;
  }
  for (const std::shared_ptr<State>& state : current_->states) {
    if (std::ranges::find(next->states, state) == next->states.end()) Remove(*state);
  }
  // After the removal, as a changed rule has the name of the old one.
  for (const std::shared_ptr<State>& state : next->states) {
    FindTenant(*state, std::string(kAnonymousTenant));
  }
  rules_.Set(static_cast<double>(rules.size()));
  current_ = next;
  return absl::OkStatus();
}

void ProfileRules::Count(const std::string& tenant, const Window& window) {
  std::shared_ptr<const RuleSet> rules;
  {
    const MutexLock lock(mutex_);
    rules = current_;
  }
  const bool has_cpu_time =
      std::ranges::any_of(window.series, [](const Series& series) { return IsCpuTime(series.type); });
  if (rules->states.empty() || !has_cpu_time) return;
  std::vector<Hit> hits = FindHits(tenant, window, *rules);
  const double scale = absl::FDivDuration(window.interval, window.duration);
  const MutexLock lock(mutex_);
  for (const Hit& hit : hits) {
    if (hit.state->removed) continue;
    Group* const group = FindGroup(hit);
    if (group == nullptr) {
      FindTenant(*hit.state, tenant).overflow->Increment(static_cast<double>(hit.samples));
      continue;
    }
    group->cpu_seconds->Increment(static_cast<double>(hit.value) / 1e9 * scale);
    group->samples->Increment(static_cast<double>(hit.samples));
    group->last_counted = clock_.Now();
  }
  Remember(tenant, window, std::move(hits));
}

std::vector<ProfileRules::Hit> ProfileRules::FindHits(const std::string& tenant, const Window& window,
                                                      const RuleSet& rules) {
  std::map<std::pair<size_t, std::vector<std::string>>, Hit> hits;
  for (const Series& series : window.series) {
    if (!IsCpuTime(series.type) || series.labels.contains(std::string(kTriggerLabel))) continue;
    uint64_t wanted = 0;
    std::vector<Hit*> hit_of(rules.states.size());
    for (size_t i = 0; i < rules.states.size(); ++i) {
      if (!AllMatch(rules.matchers[i], series.labels)) continue;
      wanted |= uint64_t{1} << i;
      std::vector<std::string> values;
      for (const std::string& name : rules.states[i]->rule.group_by) {
        values.push_back(ValueOf(series.labels, name));
      }
      hit_of[i] = &hits[{i, values}];
      hit_of[i]->state = rules.states[i];
      hit_of[i]->tenant = tenant;
      hit_of[i]->values = std::move(values);
    }
    if (wanted == 0) continue;
    for (const Sample& sample : series.samples) {
      const RuleBits bits = rules.stacks->Match(window.stacks(), sample.node);
      for (uint64_t left = wanted & (bits.focus | rules.without_focus) & ~bits.ignore; left != 0;
           left &= left - 1) {
        Hit& hit = *hit_of[static_cast<size_t>(std::countr_zero(left))];
        hit.samples += sample.count;
        hit.value += sample.value;
      }
    }
  }
  std::vector<Hit> found;
  for (auto& [key, hit] : hits) {
    if (hit.samples > 0) found.push_back(std::move(hit));
  }
  return found;
}

ProfileRules::Tenant& ProfileRules::FindTenant(State& state, const std::string& tenant) {
  Tenant& found = state.tenants[tenant];
  if (found.overflow == nullptr) {
    found.overflow =
        &overflow_samples_.Add(MetricLabels({.name = state.rule.name, .group_by = {}}, tenant, {}));
  }
  return found;
}

ProfileRules::Group* ProfileRules::FindGroup(const Hit& hit) {
  auto& groups = FindTenant(*hit.state, hit.tenant).groups;
  if (const auto found = groups.find(hit.values); found != groups.end()) return &found->second;
  if (groups.size() >= max_groups_) return nullptr;
  const prometheus::Labels labels = MetricLabels(hit.state->rule, hit.tenant, hit.values);
  Group& group = groups[hit.values];
  group.cpu_seconds = &cpu_seconds_.Add(labels);
  group.samples = &samples_.Add(labels);
  group.cores = &cores_.Add(labels);
  return &group;
}

void ProfileRules::Remember(const std::string& tenant, const Window& window, std::vector<Hit> hits) {
  const Source source = {tenant, window.agent, window.source};
  const auto last = last_windows_.find(source);
  if (last != last_windows_.end()) {
    if (window.start < last->second.start) return;  // late
    last_windows_.erase(last);
  }
  // Until the one after the next should have come.
  const absl::Time expires = window.start + 2 * window.interval + window.duration;
  if (hits.empty() || expires <= clock_.Now()) return;
  if (last_windows_.size() >= kMaxLastWindows) {
    forgotten_windows_.Increment();
    return;
  }
  last_windows_.emplace(source, LastWindow{window.start, expires, window.duration, std::move(hits)});
}

void ProfileRules::Update() {
  const absl::Time now = clock_.Now();
  const MutexLock lock(mutex_);
  absl::flat_hash_map<Group*, double> cores;
  for (const std::shared_ptr<State>& state : current_->states) {
    for (auto& [tenant, of_tenant] : state->tenants) {
      absl::erase_if(of_tenant.groups, [this, now](const auto& entry) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        if (now - entry.second.last_counted < kIdle) return false;
        Remove(entry.second);
        return true;
      });
      for (auto& [values, group] : of_tenant.groups) cores[&group] = 0;
    }
  }
  absl::erase_if(last_windows_, [now](const auto& entry) { return entry.second.expires <= now; });
  for (const auto& [source, window] : last_windows_) {
    for (const Hit& hit : window.hits) {
      if (hit.state->removed) continue;
      auto& groups = hit.state->tenants.at(hit.tenant).groups;  // of FindGroup()
      const auto group = groups.find(hit.values);
      if (group == groups.end()) continue;  // overflow
      cores[&group->second] += static_cast<double>(hit.value) / absl::ToDoubleNanoseconds(window.duration);
    }
  }
  for (const auto& [group, sum] : cores) group->cores->Set(sum);
}

void ProfileRules::Remove(State& state) {
  for (const auto& [tenant, of_tenant] : state.tenants) {
    for (const auto& [values, group] : of_tenant.groups) Remove(group);
    overflow_samples_.Remove(of_tenant.overflow);
  }
  state.tenants.clear();
  state.removed = true;
}

void ProfileRules::Remove(const Group& group) {
  cpu_seconds_.Remove(group.cpu_seconds);
  samples_.Remove(group.samples);
  cores_.Remove(group.cores);
}

}  // namespace pilotlight::collector
