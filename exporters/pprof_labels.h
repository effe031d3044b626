// Labels of samples, the same for pprof and for OTLP. Private to their readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exporters/pprof.h"
#include "profile/profile.h"

namespace pilotlight::pprof {

// The different label sets of one file, numbered; set 0 is the empty one.
class LabelSets {
 public:
  // The labels of a sample in numbers, as the file has them.
  using Key = std::vector<int64_t>;
  using Texts = std::vector<std::pair<absl::string_view, absl::string_view>>;  // name, value

  // `limits` must outlive it.
  explicit LabelSets(const PprofLimits& limits) : limits_(limits) {}
  LabelSets(const LabelSets&) = delete;
  LabelSets& operator=(const LabelSets&) = delete;

  // `texts_of_key` is asked when the key is new; its errors are returned.
  absl::StatusOr<uint32_t> SetOf(const Key& key, absl::FunctionRef<absl::StatusOr<Texts>()> texts_of_key);
  const Labels& labels(uint32_t set) const { return *sets_[set]; }

 private:
  static constexpr size_t kMaxKnown = 65536;  // keys; more are looked at each time

  Labels ToLabels(const Texts& texts) const;
  uint32_t NumberOf(Labels labels);
  uint32_t Overflow();
  uint32_t Add(Labels labels);

  const PprofLimits& limits_;
  std::map<Labels, uint32_t> numbers_ = {{Labels{}, 0}};
  std::vector<const Labels*> sets_ = {&numbers_.begin()->first};
  absl::flat_hash_map<Key, uint32_t> known_;
};

}  // namespace pilotlight::pprof
