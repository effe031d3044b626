#include "objfile/unwind_table.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "objfile/go_symbols.h"

namespace pilotlight {
namespace {

constexpr uint64_t kLargeGapBytes = 4096;

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// C calls Go through crosscall2, which is written in assembly language and keeps no frame pointer that leads
// to its caller (runtime/cgo/asm_amd64.s). It makes one call.
struct CallFromC {
  uint64_t return_address = 0;
  UnwindRule rule;
};

// How crosscall2 begins, and what the stack is at its call: it has saved C's registers, and made room for
// three arguments.
struct CrossCall {
  absl::string_view begin;
  UnwindRule rule;
};
// Go 1.18 to 1.25: PUSHFQ, CLD, SUBQ $224, SP, and BP at 16(SP). Since 1.26 PUSHQ BP, MOVQ SP, BP, SUBQ $48,
// SP.
constexpr CrossCall kCrossCalls[] = {
    {absl::string_view("\x9c\xfc\x48\x81\xec\xe0\x00\x00\x00", 9),
     {.cfa = CfaRule::kStackPointer,
      .fp = FpRule::kAtCfa,
      .cfa_offset = 264,
      .fp_offset = -224,
      .ra_offset = -8}},
    {absl::string_view("\x55\x48\x89\xe5\x48\x83\xec\x30", 8),
     {.cfa = CfaRule::kStackPointer,
      .fp = FpRule::kAtCfa,
      .cfa_offset = 88,
      .fp_offset = -16,
      .ra_offset = -8}},
};

std::optional<CallFromC> FindCallFromC(const ElfFile& elf, const GoSymbols& go) {
  constexpr uint64_t kMostBytes = 512;
  constexpr uint8_t kCall = 0xe8;
  constexpr uint64_t kCallBytes = 5;
  if (elf.machine() != EM_X86_64) return std::nullopt;
  for (uint32_t i = 0; i < go.function_count(); ++i) {
    const std::optional<GoSymbols::Function> function = go.FunctionAt(i);
    if (!function.has_value() || function->name != "crosscall2") continue;
    std::string code(std::min(kMostBytes, function->end - function->entry), '\0');
    if (!elf.ReadAt(function->entry, code.data(), code.size())) return std::nullopt;
    for (const CrossCall& known : kCrossCalls) {
      if (!absl::StartsWith(code, known.begin)) continue;
      for (size_t at = known.begin.size(); at + kCallBytes <= code.size(); ++at) {
        if (static_cast<uint8_t>(code[at]) != kCall) continue;
        int32_t distance = 0;
        std::memcpy(&distance, code.data() + at + 1, sizeof(distance));
        const uint64_t next = function->entry + at + kCallBytes;
        const auto callee = go.FindFunction(next + static_cast<uint64_t>(int64_t{distance}));
        if (callee.has_value() && absl::StartsWith(callee->name, "runtime.cgocallback")) {
          return CallFromC{.return_address = next, .rule = known.rule};
        }
      }
    }
    return std::nullopt;
  }
  return std::nullopt;
}

struct GoCode {
  Range text;
  std::optional<CallFromC> call_from_c;
};

GoCode FindGoCode(const ElfFile& elf) {
  if (!elf.has_go_marker()) return {};
  const absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(elf);
  if (!go.ok() || (*go)->function_count() == 0) return {};
  const std::optional<GoSymbols::Function> first = (*go)->FunctionAt(0);
  const std::optional<GoSymbols::Function> last = (*go)->FunctionAt((*go)->function_count() - 1);
  if (!first.has_value() || !last.has_value()) return {};
  return {.text = {first->entry, last->end}, .call_from_c = FindCallFromC(elf, **go)};
}

// Stands before `visit` and gives rules to unknown ranges.
class GapFiller {
 public:
  GapFiller(const ElfFile& elf, absl::FunctionRef<void(uint64_t, const UnwindRule&)> visit)
      : elf_(elf), visit_(visit) {
    for (const ElfSegment& segment : elf.segments()) {
      if (!segment.executable) continue;
      unknown_since_ = std::min(unknown_since_, segment.vaddr);
      end_ = std::max(end_, segment.vaddr + segment.file_size);
    }
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
    // Only now: a Go program without C has no call frames, and needs no look at its functions.
    if (!go_.has_value()) go_ = FindGoCode(elf_);
    const uint64_t go_begin = std::clamp(go_->text.begin, begin, end);
    const uint64_t go_end = std::clamp(go_->text.end, go_begin, end);
    FillOther(begin, go_begin);
    if (go_begin < go_end) FillGo(go_begin, go_end);
    FillOther(go_end, end);
  }
  void FillGo(uint64_t begin, uint64_t end) {
    constexpr UnwindRule kChain{.cfa = CfaRule::kFrameChain};
    Emit(begin, kChain);
    if (!go_->call_from_c.has_value()) return;
    // Whoever looks a caller up does so by the last byte of its call.
    const uint64_t after = go_->call_from_c->return_address;
    if (after <= begin + 1 || after >= end) return;
    Emit(after - 1, go_->call_from_c->rule);
    Emit(after, kChain);
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

  const ElfFile& elf_;
  const absl::FunctionRef<void(uint64_t, const UnwindRule&)> visit_;
  std::optional<GoCode> go_;
  uint64_t end_ = 0;
  uint64_t unknown_since_ = UINT64_MAX;
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
