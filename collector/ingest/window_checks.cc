#include "collector/ingest/window_checks.h"

#include "absl/strings/str_cat.h"
#include "exporters/label_name.h"

namespace pilotlight::collector {
namespace {

// Names and values come from anywhere; a message must stay readable.
std::string Shortened(absl::string_view text) {
  constexpr size_t kMaxShown = 64;
  return text.size() <= kMaxShown ? std::string(text) : absl::StrCat(text.substr(0, kMaxShown), "…");
}

std::optional<WindowRefusal> CheckTimes(const Window& window, const IngestLimits& limits, absl::Time now) {
  if (window.start > now + limits.max_future) {
    return WindowRefusal{
        RefusalReason::kFuture,
        absl::StrCat("the window starts ", absl::FormatDuration(window.start - now),
                     " after the collector's time, more than ", absl::FormatDuration(limits.max_future),
                     "; set the clock of the agent's node (or the collector's)")};
  }
  if (window.start < now - limits.max_age) {
    return WindowRefusal{
        RefusalReason::kTooOld,
        absl::StrCat("the window started ", absl::FormatDuration(now - window.start),
                     " ago, more than is kept (", absl::FormatDuration(limits.max_age), ")")};
  }
  if (window.interval > limits.max_interval) {
    return WindowRefusal{RefusalReason::kInterval,
                         absl::StrCat("the window stands for ", absl::FormatDuration(window.interval),
                                      ", more than ", absl::FormatDuration(limits.max_interval))};
  }
  return std::nullopt;
}

std::optional<WindowRefusal> CheckLabels(const Labels& labels, const IngestLimits& limits) {
  for (const auto& [name, value] : labels) {
    if (name.size() > limits.max_label_name_bytes || !IsValidLabelName(name)) {
      return WindowRefusal{
          RefusalReason::kLabels,
          absl::StrCat("the label name \"", Shortened(name),
                       "\" is not [a-zA-Z_][a-zA-Z0-9_]* without \"__\" in front, of at most ",
                       limits.max_label_name_bytes, " bytes")};
    }
    if (value.size() > limits.max_label_value_bytes) {
      return WindowRefusal{RefusalReason::kLabels,
                           absl::StrCat("the value of the label ", name, ", ", Shortened(value), ", has ",
                                        value.size(), " bytes, the limit is ", limits.max_label_value_bytes)};
    }
  }
  return std::nullopt;
}

}  // namespace

absl::string_view ToString(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kFuture:
      return "future";
    case RefusalReason::kTooOld:
      return "too_old";
    case RefusalReason::kInterval:
      return "interval";
    case RefusalReason::kLabels:
      return "labels";
    case RefusalReason::kNotDecodable:
      return "not_decodable";
    case RefusalReason::kStore:
      return "store";
  }
  return "unknown";
}

std::optional<WindowRefusal> CheckWindow(const Window& window, const IngestLimits& limits, absl::Time now) {
  if (auto refusal = CheckTimes(window, limits, now)) return refusal;
  for (const Series& series : window.series) {
    if (auto refusal = CheckLabels(series.labels, limits)) return refusal;
  }
  return std::nullopt;
}

}  // namespace pilotlight::collector
