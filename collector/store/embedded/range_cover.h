// Which records answer for a range of time: the coarsest sums that fit, and finer ones for the ragged ends.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "collector/store/embedded/keys.h"

namespace pilotlight::collector {

// Times in Unix nanoseconds.
struct TimeRange {
  uint64_t start_ns = 0;  // inclusive
  uint64_t end_ns = 0;    // exclusive
};

// The records of `kind` that start in the range; of kWindowTotals the windows that do.
struct Piece {
  RecordKind kind;
  TimeRange range;
};

struct CoverRules {
  // Records of a level that start earlier were dropped, by level. There a coarser record answers for all that
  // it sums up when it starts in the range: so it is in one of two ranges that adjoin, never in both.
  std::array<uint64_t, 4> horizons_ns = {};
  // When set, a sum must not lie across a multiple of the step, counted from its origin.
  uint64_t step_ns = 0;
  uint64_t step_origin_ns = 0;
  // Totals are enough: they come from kWindowTotals where sums of ten minutes would answer, which are larger.
  bool totals_only = false;
};

// In order of time, without overlaps. `has_sum` tells whether the sum of the span of a level that starts
// there is whole.
using HasSum = absl::FunctionRef<bool(Level level, uint64_t start_ns)>;
std::vector<Piece> CoverRange(const TimeRange& range, const CoverRules& rules, HasSum has_sum);

// The pieces of one block.
struct BlockPieces {
  BlockKey first_part;
  std::vector<Piece> pieces;
};
std::vector<BlockPieces> SplitByBlock(const std::vector<Piece>& pieces, uint32_t service);

}  // namespace pilotlight::collector
