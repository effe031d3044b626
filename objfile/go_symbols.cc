#include "objfile/go_symbols.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

constexpr uint64_t kInlineTreeIndexTable = 2;  // PCDATA_InlTreeIndex, internal/abi/symtab.go
constexpr uint64_t kInlineTreeData = 3;        // FUNCDATA_InlTree
constexpr uint32_t kNoFunctionData = UINT32_MAX;
constexpr int kMaxInlineDepth = 64;
// Of pc-value tables, for one lookup: a hostile file must not keep us busy.
constexpr uint64_t kMaxTableBytes = 1 << 20;

constexpr uint8_t kMcallBefore122 = 11;
constexpr uint8_t kMcallSince122 = 12;
// The last special number before Go 1.22 is that of wrappers, 21.
constexpr uint8_t kLastFuncIdBefore122 = 21;

// internal/abi.FuncID of Go 1.18 to 1.21; the numbers up to 4 are the same in all.
constexpr std::array<absl::string_view, 16> kSpecialNames118 = {"",
                                                                "runtime.abort",
                                                                "runtime.asmcgocall",
                                                                "runtime.asyncPreempt",
                                                                "runtime.cgocallback",
                                                                "runtime.debugCallV2",
                                                                "runtime.gcBgMarkWorker",
                                                                "runtime.goexit",
                                                                "runtime.gogo",
                                                                "runtime.gopanic",
                                                                "runtime.handleAsyncEvent",
                                                                "runtime.mcall",
                                                                "runtime.morestack",
                                                                "runtime.mstart",
                                                                "runtime.panicwrap",
                                                                "runtime.rt0_go"};
constexpr std::array<absl::string_view, 17> kSpecialNames122 = {"",
                                                                "runtime.abort",
                                                                "runtime.asmcgocall",
                                                                "runtime.asyncPreempt",
                                                                "runtime.cgocallback",
                                                                "runtime.corostart",
                                                                "runtime.debugCallV2",
                                                                "runtime.gcBgMarkWorker",
                                                                "runtime.goexit",
                                                                "runtime.gogo",
                                                                "runtime.gopanic",
                                                                "runtime.handleAsyncEvent",
                                                                "runtime.mcall",
                                                                "runtime.morestack",
                                                                "runtime.mstart",
                                                                "runtime.panicwrap",
                                                                "runtime.rt0_go"};

// Reads single bytes and varints forward.
class TableCursor {
 public:
  TableCursor(ByteSource& bytes, uint64_t offset, uint64_t limit)
      : bytes_(bytes), offset_(offset), left_(limit) {}

  bool NextByte(uint8_t& byte) {
    if (left_ == 0) return false;
    if (view_.empty()) {
      view_ = bytes_.View(offset_);
      if (view_.empty()) return false;
    }
    byte = static_cast<uint8_t>(view_[0]);
    view_.remove_prefix(1);
    ++offset_;
    --left_;
    return true;
  }
  bool NextVarint(uint32_t& value) {
    value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      uint8_t byte = 0;
      if (!NextByte(byte)) return false;
      value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }
  uint64_t left() const { return left_; }

 private:
  ByteSource& bytes_;
  uint64_t offset_;
  uint64_t left_;
  absl::string_view view_;
};

}  // namespace

// The parts of a _func that a lookup needs.
struct GoSymbols::Record {
  uint32_t entry = 0;
  int32_t name = 0;
  uint32_t stack_table = 0;  // offsets into the pc-value tables
  uint32_t file_table = 0;
  uint32_t line_table = 0;
  uint32_t inline_table = 0;  // 0: none
  uint32_t unit = 0;
  uint32_t start_line = 0;                 // 0 before Go 1.20
  uint32_t inline_tree = kNoFunctionData;  // offset from function_data
  uint8_t func_id = 0;
};

absl::StatusOr<std::unique_ptr<GoSymbols>> GoSymbols::Create(const ElfFile& elf) {
  ASSIGN_OR_RETURN(const GoTables tables, FindGoTables(elf));
  std::unique_ptr<GoSymbols> symbols(new GoSymbols(elf, tables));
  const std::optional<uint64_t> offset = elf.VaddrToOffset(tables.header);
  if (!offset.has_value()) return absl::InvalidArgumentError("the Go function table is in no segment");
  symbols->header_offset_ = *offset;
  RETURN_IF_ERROR(symbols->BuildIndex());
  symbols->GuessVersion();
  return symbols;
}

absl::Status GoSymbols::BuildIndex() {
  index_.reserve(tables_.function_count / kIndexStride + 1);
  uint32_t previous = 0;
  for (uint32_t i = 0; i < tables_.function_count; ++i) {
    const auto entry = elf_.bytes().Read<uint32_t>(header_offset_ + tables_.functions + uint64_t{i} * 8);
    if (!entry.has_value()) return absl::InvalidArgumentError("the Go function table is cut off");
    if (*entry < previous) return absl::InvalidArgumentError("the Go function table is not sorted");
    previous = *entry;
    if (i % kIndexStride == 0) index_.push_back(*entry);
  }
  return absl::OkStatus();
}

void GoSymbols::GuessVersion() {
  go_version_ = ReadGoVersion(elf_);
  absl::string_view minor = go_version_;
  if (absl::StartsWith(minor, "go1.")) {
    minor.remove_prefix(4);
    minor = minor.substr(0, minor.find_first_not_of("0123456789"));
    if (absl::SimpleAtoi(minor, &go_minor_version_)) ids_of_122_ = go_minor_version_ >= 22;
  }
  if (go_minor_version_ == 0 && tables_.layout == GoTables::Layout::kGo120) {
    // Wrappers have the largest number, and are frequent enough to be among the first functions.
    constexpr uint32_t kTried = 4096;
    for (uint32_t i = 0; i < std::min(kTried, tables_.function_count) && !ids_of_122_; ++i) {
      Record record;
      const std::optional<Location> location = LocationAt(i);
      ids_of_122_ =
          location.has_value() && ReadRecord(*location, record) && record.func_id > kLastFuncIdBefore122;
    }
  }
  mcall_id_ = ids_of_122_ ? kMcallSince122 : kMcallBefore122;
}

std::optional<GoSymbols::Location> GoSymbols::LocationAt(uint32_t index) const {
  if (index >= tables_.function_count) return std::nullopt;
  std::array<uint32_t, 3> words;  // entry, record, entry of the next function or end of the text
  if (!elf_.bytes().Read(header_offset_ + tables_.functions + uint64_t{index} * 8, words.data(),
                         sizeof(words))) {
    return std::nullopt;
  }
  return Location{.index = index, .entry = words[0], .end = words[2], .record = words[1]};
}

std::optional<GoSymbols::Location> GoSymbols::Locate(uint64_t address) const {
  if (address < tables_.text || address - tables_.text > UINT32_MAX) return std::nullopt;
  const auto target = static_cast<uint32_t>(address - tables_.text);
  auto upper = std::upper_bound(index_.begin(), index_.end(), target);
  if (upper == index_.begin()) return std::nullopt;
  uint32_t low = static_cast<uint32_t>(upper - index_.begin() - 1) * kIndexStride;
  uint32_t high = std::min(low + kIndexStride, tables_.function_count);
  // The last one of [low, high) that starts at or before the target.
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    const auto entry = elf_.bytes().Read<uint32_t>(header_offset_ + tables_.functions + uint64_t{middle} * 8);
    if (!entry.has_value()) return std::nullopt;
    (*entry <= target ? low : high) = middle;
  }
  std::optional<Location> location = LocationAt(low);
  if (!location.has_value() || target < location->entry || target >= location->end) return std::nullopt;
  return location;
}

bool GoSymbols::IsFrameless(uint64_t address) const {
  const std::optional<Location> location = Locate(address);
  Record record;
  if (!location.has_value() || !ReadRecord(*location, record)) return false;
  uint64_t budget = kMaxTableBytes;
  return PcValue(record.stack_table, record.entry, static_cast<uint32_t>(address - tables_.text), budget) ==
         0;
}

bool GoSymbols::ReadRecord(const Location& location, Record& record) const {
  const bool is_120 = tables_.layout == GoTables::Layout::kGo120;
  const uint64_t record_bytes = is_120 ? 44 : 40;
  const uint64_t start = tables_.functions + location.record;
  if (start >= tables_.size || tables_.size - start < record_bytes) return false;
  std::array<uint32_t, 11> words{};
  if (!elf_.bytes().Read(header_offset_ + start, words.data(), record_bytes)) return false;
  if (words[0] != location.entry) return false;
  const uint32_t last = words[is_120 ? 10 : 9];  // funcID, flag, padding, nfuncdata
  const uint32_t pc_data_count = words[7];
  const uint32_t function_data_count = last >> 24;
  record.entry = words[0];
  record.name = static_cast<int32_t>(words[1]);
  record.stack_table = words[4];
  record.file_table = words[5];
  record.line_table = words[6];
  record.unit = words[8];
  record.start_line = is_120 ? words[9] : 0;
  record.func_id = static_cast<uint8_t>(last);
  const uint64_t pc_data = header_offset_ + start + record_bytes;
  if (pc_data_count > kInlineTreeIndexTable && pc_data_count < 256 && function_data_count > kInlineTreeData) {
    record.inline_table = elf_.bytes().Read<uint32_t>(pc_data + 4 * kInlineTreeIndexTable).value_or(0);
    record.inline_tree = elf_.bytes()
                             .Read<uint32_t>(pc_data + 4 * uint64_t{pc_data_count} + 4 * kInlineTreeData)
                             .value_or(kNoFunctionData);
  }
  return true;
}

std::string GoSymbols::Name(uint64_t name_offset, uint8_t func_id) const {
  std::string name;
  if (name_offset < tables_.units - tables_.names) {
    const uint64_t room = tables_.units - tables_.names - name_offset;
    name = elf_.bytes().ReadCString(header_offset_ + tables_.names + name_offset,
                                    std::min<uint64_t>(room, kMaxSymbolBytes));
  }
  if (!name.empty() || func_id == 0) return name;
  const absl::string_view special =
      ids_of_122_ ? (func_id < kSpecialNames122.size() ? kSpecialNames122[func_id] : absl::string_view())
                  : (func_id < kSpecialNames118.size() ? kSpecialNames118[func_id] : absl::string_view());
  return std::string(special);
}

int32_t GoSymbols::PcValue(uint32_t table, uint32_t entry, uint32_t target, uint64_t& budget) const {
  if (table == 0 || table >= tables_.functions - tables_.pc_tables) return -1;
  const uint64_t room = tables_.functions - tables_.pc_tables - table;
  TableCursor cursor(elf_.bytes(), header_offset_ + tables_.pc_tables + table, std::min(room, budget));
  const uint64_t before = cursor.left();
  uint32_t value = UINT32_MAX;
  uint64_t pc = entry;
  int32_t result = -1;
  for (bool first = true;; first = false) {
    uint32_t value_delta = 0;
    uint32_t pc_delta = 0;
    if (!cursor.NextVarint(value_delta) || (value_delta == 0 && !first) || !cursor.NextVarint(pc_delta))
      break;
    value += (value_delta & 1) != 0 ? ~(value_delta >> 1) : value_delta >> 1;
    pc += uint64_t{pc_delta} * tables_.pc_quantum;
    if (target < pc) {
      result = static_cast<int32_t>(value);
      break;
    }
  }
  budget -= before - cursor.left();
  return result;
}

void GoSymbols::SourcePosition(const Record& record, uint32_t target, uint64_t& budget,
                               SourceFrame& frame) const {
  const int32_t file = PcValue(record.file_table, record.entry, target, budget);
  const int32_t line = PcValue(record.line_table, record.entry, target, budget);
  if (file < 0 || line < 0) return;
  const uint64_t unit = (uint64_t{record.unit} + static_cast<uint32_t>(file)) * 4;
  if (unit >= tables_.files - tables_.units) return;
  const auto name = elf_.bytes().Read<uint32_t>(header_offset_ + tables_.units + unit);
  if (!name.has_value() || *name >= tables_.pc_tables - tables_.files) return;
  const uint64_t room = tables_.pc_tables - tables_.files - *name;
  frame.file =
      elf_.bytes().ReadCString(header_offset_ + tables_.files + *name, std::min<uint64_t>(room, 4096));
  frame.line = static_cast<uint32_t>(line);
}

bool GoSymbols::Lookup(uint64_t address, std::vector<SourceFrame>& frames) const {
  const std::optional<Location> location = Locate(address);
  if (!location.has_value()) return false;
  Record record;
  if (!ReadRecord(*location, record)) return false;
  uint64_t budget = kMaxTableBytes;
  auto target = static_cast<uint32_t>(address - tables_.text);
  const bool has_tree = record.inline_tree != kNoFunctionData && tables_.function_data != 0;
  const bool is_120 = tables_.layout == GoTables::Layout::kGo120;
  for (int depth = 0; has_tree && depth < kMaxInlineDepth; ++depth) {
    const int32_t index = PcValue(record.inline_table, record.entry, target, budget);
    if (index < 0) break;
    // inlinedCall: funcID, name, parentPc, startLine at 0, 4, 8, 12 since Go 1.20; before, the first three at
    // 2, 12, 16.
    std::array<uint32_t, 5> call{};
    const size_t call_bytes = is_120 ? 16 : 20;
    const uint64_t at =
        tables_.function_data + record.inline_tree + static_cast<uint64_t>(index) * call_bytes;
    if (!elf_.ReadAt(at, call.data(), call_bytes)) break;
    const uint32_t name = is_120 ? call[1] : call[3];
    const uint32_t parent_pc = is_120 ? call[2] : call[4];
    const auto func_id = static_cast<uint8_t>(is_120 ? call[0] : call[0] >> 16);
    SourceFrame& frame = frames.emplace_back();
    frame.function = Name(name, func_id);
    frame.start_line = is_120 ? call[3] : 0;
    frame.inlined = true;
    SourcePosition(record, target, budget, frame);
    if (parent_pc >= location->end - location->entry) break;
    target = record.entry + parent_pc;
  }
  SourceFrame& outermost = frames.emplace_back();
  outermost.function = Name(static_cast<uint32_t>(record.name), record.func_id);
  outermost.start_line = record.start_line;
  SourcePosition(record, target, budget, outermost);
  return true;
}

std::optional<GoSymbols::Function> GoSymbols::FindFunction(uint64_t address) const {
  const std::optional<Location> location = Locate(address);
  return location.has_value() ? FunctionAt(location->index) : std::nullopt;
}

bool GoSymbols::HasFunction(absl::string_view name) const {
  for (uint32_t i = 0; i < function_count(); ++i) {
    const std::optional<Function> function = FunctionAt(i);
    if (function.has_value() && function->name == name) return true;
  }
  return false;
}

std::optional<GoSymbols::Function> GoSymbols::FunctionAt(uint32_t index) const {
  const std::optional<Location> location = LocationAt(index);
  Record record;
  if (!location.has_value() || !ReadRecord(*location, record)) return std::nullopt;
  return Function{.entry = tables_.text + location->entry,
                  .end = tables_.text + location->end,
                  .name = Name(static_cast<uint32_t>(record.name), record.func_id),
                  .func_id = record.func_id};
}

}  // namespace pilotlight
