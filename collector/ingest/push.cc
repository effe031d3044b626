#include "collector/ingest/push.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "collector/ingest/otlp_labels.h"
#include "collector/ingest/window_checks.h"
#include "exporters/label_name.h"
#include "exporters/otlp.h"
#include "exporters/pprof.h"

namespace pilotlight::collector {
namespace {

// Allocations and goroutines have none, and a window needs one.
constexpr absl::Duration kDurationOfAMoment = absl::Seconds(1);

PprofLimits LimitsOf(const IngestLimits& limits) {
  // Profiles shrink to a quarter or less by gzip.
  constexpr size_t kLargestRatio = 4;
  PprofLimits pprof;
  pprof.max_bytes = kLargestRatio * limits.max_message_bytes;
  pprof.max_depth = limits.wire.max_depth;
  pprof.max_name_bytes = limits.wire.max_string_bytes;
  pprof.max_label_name_bytes = limits.max_label_name_bytes;
  pprof.max_label_value_bytes = limits.max_label_value_bytes;
  return pprof;
}

// `labels` with those of samples, as far as they are others.
Labels WithLabelsOfSamples(Labels labels, const Labels& of_samples, size_t max_labels) {
  for (const auto& label : of_samples) {
    if (labels.size() < max_labels) labels.insert(label);
  }
  return labels;
}

// Adds the parts of `made` as series to the window that holds their stacks.
void AddSeries(const Labels& labels, LabelledProfile made, size_t max_labels, Window& window) {
  const Profile& profile = made.profile;
  std::optional<TrieMapper> mapper;
  if (window.trie.node_count() == 1) {
    window.trie = std::move(made.profile.trie);
  } else {
    mapper.emplace(profile.trie, window.trie);
  }
  std::map<Labels, Series> all;
  for (LabelledSamples& part : made.parts) {
    if (mapper) {
      for (Sample& sample : part.samples) sample.node = mapper->MapNode(sample.node);
    }
    Series& series = all[WithLabelsOfSamples(labels, part.labels, max_labels)];
    series.loss += part.loss;
    series.samples.insert(series.samples.end(), part.samples.begin(), part.samples.end());
  }
  for (auto& [all_labels, series] : all) {
    series.labels = all_labels;
    series.type = profile.type;
    series.period = std::max<int64_t>(profile.period, 0);
    MergeSamples(series.samples);
    window.series.push_back(std::move(series));
  }
}

// Whether `profile` can be of the same window.
bool Joins(const Profile& profile, const std::vector<LabelledProfile>& group) {
  constexpr size_t kMaxProfiles = 32;
  return group.size() < kMaxProfiles && std::ranges::all_of(group, [&profile](const LabelledProfile& other) {
           return other.profile.start == profile.start && other.profile.duration == profile.duration &&
                  other.profile.type != profile.type;
         });
}

}  // namespace

PushIngest::PushIngest(IngestContext& context)
    : context_(context), boot_(absl::StrCat(absl::Hex(absl::GetCurrentTimeNanos()))) {}

absl::Status PushIngest::PushPprof(const std::string& tenant_name, const Labels& labels,
                                   absl::string_view bytes) {
  ASSIGN_OR_RETURN(TenantIngest* const tenant, Admit(tenant_name, bytes.size()));
  absl::StatusOr<std::vector<LabelledProfile>> profiles =
      ReadLabelledPprof(bytes, LimitsOf(context_.limits()));
  if (!profiles.ok()) return Refuse(RefusalReason::kNotDecodable, profiles.status().message());
  return PushLabelled(*tenant, labels, *std::move(profiles));
}

absl::Status PushIngest::Push(const std::string& tenant_name, const Labels& labels, size_t bytes,
                              std::vector<Profile> profiles) {
  ASSIGN_OR_RETURN(TenantIngest* const tenant, Admit(tenant_name, bytes));
  return PushLabelled(*tenant, labels, WithoutLabels(std::move(profiles)));
}

absl::StatusOr<OtlpOutcome> PushIngest::PushOtlp(const std::string& tenant_name, absl::string_view request,
                                                 absl::string_view version) {
  ASSIGN_OR_RETURN(TenantIngest* const tenant, Admit(tenant_name, request.size()));
  absl::StatusOr<std::vector<OtlpResource>> resources =
      ReadOtlp(request, version, LimitsOf(context_.limits()));
  if (!resources.ok()) return Refuse(RefusalReason::kNotDecodable, resources.status().message());

  OtlpOutcome outcome;
  absl::Status first_refusal;
  int64_t taken = 0;
  const auto note = [&](const absl::Status& status, size_t profiles) {
    if (status.ok()) {
      taken += static_cast<int64_t>(profiles);
      return;
    }
    outcome.rejected_profiles += static_cast<int64_t>(profiles);
    if (first_refusal.ok()) first_refusal = status;
  };
  for (OtlpResource& resource : *resources) {
    const Labels labels = LabelsOfResource(resource.attributes);
    std::vector<LabelledProfile> group;
    const auto push_group = [&]() -> absl::Status {
      if (group.empty()) return absl::OkStatus();
      const size_t size = group.size();
      absl::Status status = PushLabelled(*tenant, labels, std::exchange(group, {}));
      if (absl::IsResourceExhausted(status) && taken == 0) return status;
      note(status, size);
      return absl::OkStatus();
    };
    for (absl::StatusOr<LabelledProfile>& profile : resource.profiles) {
      if (!profile.ok()) {
        note(Refuse(RefusalReason::kNotDecodable, profile.status().message()), 1);
        continue;
      }
      if (!Joins(profile->profile, group)) RETURN_IF_ERROR(push_group());
      group.push_back(*std::move(profile));
    }
    RETURN_IF_ERROR(push_group());
  }
  if (taken == 0 && !first_refusal.ok()) return first_refusal;
  outcome.message = std::string(first_refusal.message());
  return outcome;
}

absl::StatusOr<TenantIngest*> PushIngest::Admit(const std::string& tenant_name, size_t bytes) {
  context_.metrics().ReceivedBytes(bytes);
  if (bytes > context_.limits().max_message_bytes) {
    return Refuse(RefusalReason::kNotDecodable,
                  absl::StrCat("the profile has ", bytes, " bytes, the limit is ",
                               context_.limits().max_message_bytes));
  }
  absl::StatusOr<TenantIngest*> tenant = context_.FindTenant(tenant_name);
  absl::Status status = tenant.status();
  if (status.ok()) status = (*tenant)->ReceivePush(bytes);
  if (status.ok()) return tenant;
  context_.metrics().Failed();
  return status;
}

absl::Status PushIngest::PushLabelled(TenantIngest& tenant, const Labels& all_labels,
                                      std::vector<LabelledProfile> profiles) {
  const size_t max_labels = context_.limits().wire.max_labels;
  Labels labels;
  for (const auto& [name, value] : all_labels) {
    if (!absl::StartsWith(name, "__") && !value.empty()) labels.try_emplace(ToLabelName(name), value);
  }
  if (!labels.contains(std::string(kServiceLabel))) {
    return Refuse(RefusalReason::kLabels,
                  "the label service_name is missing: it names whose profile this is");
  }
  if (labels.size() > max_labels) {
    return Refuse(RefusalReason::kLabels, absl::StrCat("more than ", max_labels, " labels"));
  }
  const auto type_name = all_labels.find("__name__");
  std::erase_if(profiles, [](const LabelledProfile& made) { return made.parts.empty(); });
  if (profiles.empty()) return absl::OkStatus();

  const Profile& first = profiles[0].profile;
  Window window;
  window.start = first.start == absl::UnixEpoch() ? context_.clock().Now() : first.start;
  window.duration = first.duration > absl::ZeroDuration() ? first.duration : kDurationOfAMoment;
  window.interval = window.duration;
  window.source = "push";
  for (LabelledProfile& made : profiles) {
    ProfileType& type = made.profile.type;
    if (type_name != all_labels.end()) type.name = type_name->second;
    if (const auto parsed = ProfileType::Parse(type.ToString()); !parsed.ok()) {
      return Refuse(RefusalReason::kLabels, absl::StrCat("__name__: ", parsed.status().message()));
    }
    if (Totals(made).count > context_.limits().wire.max_count) {
      return Refuse(RefusalReason::kNotDecodable, "the profile has more samples than can be true");
    }
    AddSeries(labels, std::move(made), max_labels, window);
  }
  if (const auto refusal = CheckWindow(window, context_.limits(), context_.clock().Now())) {
    return Refuse(refusal->reason, refusal->message);
  }
  return Store(tenant, std::move(window));
}

absl::Status PushIngest::Refuse(RefusalReason reason, absl::string_view message) {
  context_.metrics().Refused(reason);
  return absl::InvalidArgumentError(message);
}

absl::Status PushIngest::Store(TenantIngest& tenant, Window window) {
  const auto [lane_of_turn, lane_number] = tenant.NextPushLane();
  TenantIngest::PushLane& lane = *lane_of_turn;
  window.agent = absl::StrCat("push-", lane_number);
  window.boot = boot_;
  const MutexLock lock(lane.mutex);
  window.sequence = lane.last_sequence + 1;
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<AppendOutcome> outcome = tenant.store().Append(window);
  if (outcome.ok() && *outcome == AppendOutcome::kStored) {
    lane.last_sequence = window.sequence;
    context_.Stored(tenant, window, absl::FromChrono(std::chrono::steady_clock::now() - begin));
    return absl::OkStatus();
  }
  if (absl::IsInvalidArgument(outcome.status())) {
    return Refuse(RefusalReason::kStore, outcome.status().message());
  }
  // A window that is already there was stored by a try that seemed to fail; its number is used up.
  if (outcome.ok()) lane.last_sequence = window.sequence;
  context_.metrics().Failed();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the profile cannot be stored now: ", outcome.ok() ? "send it again" : outcome.status().message()));
}

}  // namespace pilotlight::collector
