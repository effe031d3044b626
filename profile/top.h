// The table that people look at first: functions by their own and their cumulative cost.
#pragma once

#include <string>
#include <vector>

#include "profile/profile.h"
#include "profile/statistics.h"

namespace pilotlight {

struct TopRow {
  std::string function;
  std::string file;  // of its first frame seen
  FrameKind kind = FrameKind::kUnknown;
  Sample flat;          // samples with the function at the leaf; `node` is not used
  Sample cumulative;    // samples with the function anywhere, a recursive one once
  Interval flat_share;  // 95 % interval of flat.count over the total count
  Interval cumulative_share;
};

enum class TopOrder { kFlat, kCumulative };

struct TopTable {
  ProfileTotals total;
  std::vector<TopRow> rows;  // the largest first, equal ones by name
  size_t all_rows = 0;       // functions before the cut at `limit`
};

// `limit` 0 means all.
TopTable BuildTop(const Profile& profile, TopOrder order, size_t limit);

}  // namespace pilotlight
