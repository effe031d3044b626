#include "objfile/unwind_table.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/status_macros.h"
#include "objfile/go_symbols.h"

namespace pilotlight {
namespace {

constexpr uint64_t kLargeGapBytes = 4096;

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

Range GoCode(const ElfFile& elf) {
  if (!elf.has_go_marker()) return {};
  const absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(elf);
  if (!go.ok() || (*go)->function_count() == 0) return {};
  const std::optional<GoSymbols::Function> first = (*go)->FunctionAt(0);
  const std::optional<GoSymbols::Function> last = (*go)->FunctionAt((*go)->function_count() - 1);
  if (!first.has_value() || !last.has_value()) return {};
  return {first->entry, last->end};
}

// Stands before `visit` and gives rules to unknown ranges.
class GapFiller {
 public:
  GapFiller(const ElfFile& elf, absl::FunctionRef<void(uint64_t, const UnwindRule&)> visit)
      : visit_(visit), go_(GoCode(elf)) {
    begin_ = UINT64_MAX;
    for (const ElfSegment& segment : elf.segments()) {
      if (!segment.executable) continue;
      begin_ = std::min(begin_, segment.vaddr);
      end_ = std::max(end_, segment.vaddr + segment.file_size);
    }
    unknown_since_ = begin_;
  }

  void Add(uint64_t address, const UnwindRule& rule) {
    if (rule == UnwindRule{}) {
      unknown_since_ = address;
      is_unknown_ = true;
      return;
    }
    if (is_unknown_) Fill(unknown_since_, address);
    is_unknown_ = false;
    Emit(address, rule);
  }
  void Finish() {
    Fill(unknown_since_, end_);
    if (last_ != UnwindRule{}) Emit(std::max(unknown_since_, end_), UnwindRule{});
  }

 private:
  void Fill(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    const uint64_t go_begin = std::clamp(go_.begin, begin, end);
    const uint64_t go_end = std::clamp(go_.end, go_begin, end);
    FillOther(begin, go_begin);
    if (go_begin < go_end) Emit(go_begin, {.cfa = CfaRule::kFrameChain});
    FillOther(go_end, end);
  }
  void FillOther(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    Emit(begin,
         end - begin < kLargeGapBytes ? UnwindRule{} : UnwindRule{.cfa = CfaRule::kFrameChainUnconfirmed});
  }
  void Emit(uint64_t address, const UnwindRule& rule) {
    if (rule == last_) return;
    visit_(address, rule);
    last_ = rule;
  }

  const absl::FunctionRef<void(uint64_t, const UnwindRule&)> visit_;
  const Range go_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  uint64_t unknown_since_ = 0;
  bool is_unknown_ = true;
  UnwindRule last_;
};

}  // namespace

absl::StatusOr<CallFrameStats> ReadUnwindTable(
    const ElfFile& elf, absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)> visit) {
  GapFiller filler(elf, visit);
  ASSIGN_OR_RETURN(
      const CallFrameStats stats,
      ReadCallFrames(elf, [&](uint64_t address, const UnwindRule& rule) { filler.Add(address, rule); }));
  filler.Finish();
  return stats;
}

}  // namespace pilotlight
