#include "agent/labels/workload.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kRandomCharacters = 5;  // as the API server generates them
constexpr size_t kMinuteDigits = 8;      // since 1970, until 2160

// Empty when there is no such label.
std::string LabelOf(const Pod& pod, const char* name) {
  const auto found = pod.labels.find(name);
  return found == pod.labels.end() ? "" : found->second;
}

bool AreDigits(absl::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

// Empty when the name has no such end.
absl::string_view WithoutRandom(absl::string_view name) {
  if (name.size() <= kRandomCharacters + 1 || name[name.size() - kRandomCharacters - 1] != '-') return "";
  return name.substr(0, name.size() - kRandomCharacters - 1);
}
absl::string_view WithoutNumber(absl::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == absl::string_view::npos || !AreDigits(name.substr(dash + 1))) return "";
  return name.substr(0, dash);
}

Workload Named(const char* kind, absl::string_view name) {
  if (name.empty()) return {};
  return {.kind = kind, .name = std::string(name)};
}

Workload OfJob(absl::string_view job) {
  const absl::string_view cron_job = WithoutNumber(job);
  if (!cron_job.empty() && job.size() == cron_job.size() + 1 + kMinuteDigits)
    return Named("CronJob", cron_job);
  return Named("Job", job);
}

}  // namespace

Workload WorkloadOf(const Pod& pod) {
  if (const std::string hash = LabelOf(pod, "pod-template-hash"); !hash.empty()) {
    absl::string_view replica_set = WithoutRandom(pod.name);
    if (absl::ConsumeSuffix(&replica_set, absl::StrCat("-", hash))) return Named("Deployment", replica_set);
    return {};
  }
  if (!LabelOf(pod, "apps.kubernetes.io/pod-index").empty() ||
      !LabelOf(pod, "statefulset.kubernetes.io/pod-name").empty()) {
    return Named("StatefulSet", WithoutNumber(pod.name));
  }
  for (const char* label : {"batch.kubernetes.io/job-name", "job-name"}) {
    if (const std::string job = LabelOf(pod, label); !job.empty()) return OfJob(job);
  }
  if (!LabelOf(pod, "controller-revision-hash").empty()) return Named("DaemonSet", WithoutRandom(pod.name));
  return {};
}

}  // namespace pilotlight::agent
