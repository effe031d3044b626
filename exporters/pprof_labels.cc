#include "exporters/pprof_labels.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "exporters/label_name.h"
#include "exporters/utf8.h"

namespace pilotlight::pprof {
namespace {

// They name one request each, which makes no series; otelpyroscope and Pyroscope's SDKs set them.
constexpr absl::string_view kOfOneRequest[] = {"profile_id", "span_id", "trace_id"};

}  // namespace

absl::StatusOr<uint32_t> LabelSets::SetOf(const perftools::profiles::Sample& sample) {
  if (sample.label().empty()) return 0;
  key_.clear();
  for (const perftools::profiles::Label& label : sample.label()) {
    if (label.str() != 0) key_.emplace_back(label.key(), label.str());
  }
  if (key_.empty()) return 0;
  if (const auto found = known_.find(key_); found != known_.end()) return found->second;
  if (known_.size() == limits_.max_label_sets || key_.size() > limits_.max_labels) {
    return NumberOf({{std::string(kOverflowLabel), "true"}});
  }
  ASSIGN_OR_RETURN(Labels labels, Resolve(key_));
  const uint32_t set = NumberOf(std::move(labels));
  known_.emplace(key_, set);
  return set;
}

uint32_t LabelSets::NumberOf(Labels labels) {
  const auto [entry, is_new] = numbers_.try_emplace(std::move(labels), static_cast<uint32_t>(sets_.size()));
  if (is_new) sets_.push_back(&entry->first);
  return entry->second;
}

absl::StatusOr<Labels> LabelSets::Resolve(const Key& key) const {
  Labels labels;
  for (const auto& [name, value] : key) {
    const auto size = static_cast<int64_t>(tables_.strings.size());
    if (name < 0 || name >= size || value < 0 || value >= size) {
      return absl::InvalidArgumentError("not a pprof profile: a label is of a string that is not there");
    }
    std::string label = ToLabelName(tables_.strings[static_cast<size_t>(name)]);
    label.resize(std::min(label.size(), limits_.max_label_name_bytes));
    std::string text =
        ToValidUtf8(tables_.strings[static_cast<size_t>(value)], limits_.max_label_value_bytes);
    if (label.empty() || text.empty()) continue;
    if (std::ranges::find(kOfOneRequest, label) != std::end(kOfOneRequest)) continue;
    labels.insert_or_assign(std::move(label), std::move(text));
  }
  return labels;
}

}  // namespace pilotlight::pprof
