#include "collector/store/embedded/range_cover.h"

#include <algorithm>

namespace pilotlight::collector {
namespace {

class Cover {
 public:
  Cover(const CoverRules& rules, HasSum has_sum) : rules_(rules), has_sum_(has_sum) {}

  void Add(Level level, TimeRange range) {
    if (level == Level::kWindow) return AddWhatIsKept(level, range);
    const uint64_t length = SpanNanoseconds(level);
    for (uint64_t start = SpanStart(level, range.start_ns); start < range.end_ns; start += length) {
      const TimeRange part = {std::max(range.start_ns, start), std::min(range.end_ns, start + length)};
      const bool is_whole = part.end_ns - part.start_ns == length;
      if (level == Level::kTenMinutes && rules_.totals_only && start >= Horizon(Level::kWindow) &&
          has_sum_(level, start)) {
        Emit(RecordKind::kWindowTotals, part);
      } else if (is_whole && start >= Horizon(level) && FitsStep(part) && has_sum_(level, start)) {
        Emit(RecordsOf(level), part);
      } else {
        Add(Finer(level), part);
      }
    }
  }

  std::vector<Piece> Take() { return std::move(pieces_); }

 private:
  uint64_t Horizon(Level level) const { return rules_.horizons_ns[static_cast<size_t>(level)]; }

  bool FitsStep(const TimeRange& part) const {
    if (rules_.step_ns == 0) return true;
    const uint64_t origin = rules_.step_origin_ns;
    return (part.start_ns - origin) / rules_.step_ns == (part.end_ns - 1 - origin) / rules_.step_ns;
  }

  // Coarser records where those of `level` were dropped.
  void AddWhatIsKept(Level level, TimeRange range) {
    const uint64_t dropped_end = std::min(range.end_ns, Horizon(level));
    if (range.start_ns < dropped_end) {
      if (level != Level::kDay) AddWhatIsKept(Coarser(level), {range.start_ns, dropped_end});
      range.start_ns = dropped_end;
    }
    if (range.start_ns < range.end_ns) Emit(RecordsOf(level), range);
  }

  void Emit(RecordKind kind, const TimeRange& range) {
    if (!pieces_.empty() && pieces_.back().kind == kind && pieces_.back().range.end_ns == range.start_ns) {
      pieces_.back().range.end_ns = range.end_ns;
    } else {
      pieces_.push_back({kind, range});
    }
  }

  const CoverRules& rules_;
  HasSum has_sum_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<Piece> CoverRange(const TimeRange& range, const CoverRules& rules, HasSum has_sum) {
  Cover cover(rules, has_sum);
  if (range.start_ns < range.end_ns) cover.Add(Level::kDay, range);
  return cover.Take();
}

std::vector<BlockPieces> SplitByBlock(const std::vector<Piece>& pieces, uint32_t service) {
  std::vector<BlockPieces> blocks;
  for (const Piece& piece : pieces) {
    for (uint64_t start_ns = piece.range.start_ns; start_ns < piece.range.end_ns;) {
      const BlockKey block = FirstPart(LevelOf(piece.kind), start_ns, service);
      const uint64_t block_end_ns = (uint64_t{block.day} + DaysOfBlock(block.tier)) * kNanosecondsOfDay;
      const TimeRange range = {start_ns, std::min(piece.range.end_ns, block_end_ns)};
      auto found = std::ranges::find(blocks, block, &BlockPieces::first_part);
      if (found == blocks.end()) found = blocks.insert(found, BlockPieces{block, {}});
      found->pieces.push_back({piece.kind, range});
      start_ns = range.end_ns;
    }
  }
  return blocks;
}

}  // namespace pilotlight::collector
