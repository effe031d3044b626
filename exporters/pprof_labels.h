// Labels of the samples of a pprof file. Private to its reader.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "exporters/pprof.h"
#include "exporters/pprof_tables.h"
#include "pprof/profile.pb.h"
#include "profile/profile.h"

namespace pilotlight::pprof {

// The different label sets of one file, numbered; set 0 is the empty one.
class LabelSets {
 public:
  // Both must outlive it.
  LabelSets(const Tables& tables, const PprofLimits& limits) : tables_(tables), limits_(limits) {}
  LabelSets(const LabelSets&) = delete;
  LabelSets& operator=(const LabelSets&) = delete;

  // InvalidArgument when a label is of strings that are not there.
  absl::StatusOr<uint32_t> SetOf(const perftools::profiles::Sample& sample);
  const Labels& labels(uint32_t set) const { return *sets_[set]; }

 private:
  using Key = std::vector<std::pair<int64_t, int64_t>>;  // numbers of strings, as the sample has them

  absl::StatusOr<Labels> Resolve(const Key& key) const;
  uint32_t NumberOf(Labels labels);

  const Tables& tables_;
  const PprofLimits& limits_;
  std::map<Labels, uint32_t> numbers_ = {{Labels{}, 0}};
  std::vector<const Labels*> sets_ = {&numbers_.begin()->first};
  absl::flat_hash_map<Key, uint32_t> known_;
  Key key_;  // of the sample at hand
};

}  // namespace pilotlight::pprof
