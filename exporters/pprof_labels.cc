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

absl::StatusOr<uint32_t> LabelSets::SetOf(const Key& key,
                                          absl::FunctionRef<absl::StatusOr<Texts>()> texts_of_key) {
  if (key.empty()) return 0;
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  ASSIGN_OR_RETURN(const Texts texts, texts_of_key());
  const uint32_t set = texts.size() > limits_.max_labels ? Overflow() : NumberOf(ToLabels(texts));
  if (known_.size() < kMaxKnown) known_.emplace(key, set);
  return set;
}

uint32_t LabelSets::NumberOf(Labels labels) {
  if (const auto found = numbers_.find(labels); found != numbers_.end()) return found->second;
  return sets_.size() > limits_.max_label_sets ? Overflow() : Add(std::move(labels));
}

uint32_t LabelSets::Overflow() { return Add({{std::string(kOverflowLabel), "true"}}); }

uint32_t LabelSets::Add(Labels labels) {
  const auto [entry, is_new] = numbers_.try_emplace(std::move(labels), static_cast<uint32_t>(sets_.size()));
  if (is_new) sets_.push_back(&entry->first);
  return entry->second;
}

Labels LabelSets::ToLabels(const Texts& texts) const {
  Labels labels;
  for (const auto& [name, value] : texts) {
    std::string label = ToLabelName(name);
    label.resize(std::min(label.size(), limits_.max_label_name_bytes));
    std::string text = ToValidUtf8(value, limits_.max_label_value_bytes);
    if (label.empty() || text.empty()) continue;
    if (std::ranges::find(kOfOneRequest, label) != std::end(kOfOneRequest)) continue;
    labels.insert_or_assign(std::move(label), std::move(text));
  }
  return labels;
}

}  // namespace pilotlight::pprof
