// How `pilotlight top` looks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/collector_client.h"
#include "nlohmann/json_fwd.hpp"

namespace pilotlight::cli {

struct TopView {
  std::string subject;           // a selector or file names
  std::optional<TimeSpan> span;  // nothing when the files do not tell
  TopOrder order = TopOrder::kFlat;
  bool filtered = false;  // --focus or --ignore: the shares are of what they leave
  TopAnswer answer;
};

// "CPU time", "memory alloc_space".
std::string TypeText(const ProfileType& type);

// The quality of a profile that did not come from the collector.
Quality QualityOf(const Profile& profile);

// "1,234 samples", "12.3s CPU".
std::vector<std::string> AmountText(const Quality& quality, const ProfileType& type);

// "frames named 99.9%", "whole stacks 100%", "lost samples 0", as far as known.
std::vector<std::string> QualityText(const Quality& quality);

// "12.3%": one decimal always, so that a column of shares can be compared by eye.
std::string ShareText(uint64_t count, uint64_t total);
// The same of values.
std::string ValueShareText(int64_t value, int64_t total);
// "11.0–13.8", in percent.
std::string IntervalText(const Interval& interval);

// What stands above any table of a profile: what it is of, how much there is, how good it is.
std::string HeadText(const TopView& view, size_t width, bool colour, absl::TimeZone zone);

// The "quality" of a JSON answer.
nlohmann::json QualityJson(const Quality& quality);
// Adds "start" and "end", RFC 3339, where the span is known.
void AddSpanJson(const std::optional<TimeSpan>& span, nlohmann::json& json);

// For people: a head of two or three lines, then a table. `width` 0: no limit.
std::string TopText(const TopView& view, size_t width, bool colour, absl::TimeZone zone);
// exporters/json.h's WriteTopJson with "subject", "order", "quality" and, as RFC 3339, "start" and "end".
std::string TopJson(const TopView& view);

}  // namespace pilotlight::cli
