#include "objfile/call_frame_info.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

constexpr uint64_t kMaxSectionBytes = uint64_t{64} << 20;
constexpr size_t kMaxRememberedStates = 16;
constexpr uint8_t kNegateRaState = 0x2d;  // DW_CFA_AARCH64_negate_ra_state; libdw has it as GNU_window_save

// DWARF's numbers of registers, from the psABIs.
struct Registers {
  uint64_t frame_pointer;
  uint64_t stack_pointer;
  uint64_t return_address;
};

std::optional<Registers> RegistersOf(uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return Registers{.frame_pointer = 6, .stack_pointer = 7, .return_address = 16};
    case EM_AARCH64:
      return Registers{.frame_pointer = 29, .stack_pointer = 31, .return_address = 30};
    default:
      return std::nullopt;
  }
}

// Reads from foreign bytes; past their end everything is 0, and ok() is false from then on.
class Cursor {
 public:
  explicit Cursor(absl::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return bytes_.empty(); }
  size_t left() const { return bytes_.size(); }

  template <typename T>
  T Fixed() {
    T value{};
    const absl::string_view taken = Take(sizeof(T));
    if (ok_) std::memcpy(&value, taken.data(), sizeof(T));
    return value;
  }
  uint8_t Byte() { return Fixed<uint8_t>(); }
  uint64_t Uleb() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t Sleb() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) != 0) continue;
      if (shift + 7 < 64 && (byte & 0x40) != 0) value |= ~uint64_t{0} << (shift + 7);
      return static_cast<int64_t>(value);
    }
    ok_ = false;
    return 0;
  }
  absl::string_view Take(uint64_t count) {
    if (count > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const absl::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

 private:
  absl::string_view bytes_;
  bool ok_ = true;
};

// The table of one place: how to find the CFA, and where the caller's registers are. Of the many registers of
// DWARF only those that lead to further frames.
struct Saved {
  enum class Where : uint8_t { kRegister, kAtCfa, kAtFramePointer, kUndefined, kUnsupported };
  Where where = Where::kRegister;
  int64_t offset = 0;
};

struct State {
  uint64_t cfa_register = std::numeric_limits<uint64_t>::max();
  int64_t cfa_offset = 0;
  absl::string_view cfa_expression;  // used instead when `by_expression`
  bool by_expression = false;
  Saved frame_pointer;
  Saved return_address;
};

// One CIE, as far as it is understood.
struct Common {
  absl::string_view instructions;
  uint64_t code_alignment = 1;
  int64_t data_alignment = 1;
  uint8_t pointer_encoding = DW_EH_PE_absptr;
  bool has_augmentation_length = false;
  bool is_signal_frame = false;
  State initial;
};

bool FitsInt32(int64_t value) { return value == static_cast<int32_t>(value); }

class Interpreter {
 public:
  Interpreter(const Registers& registers, CallFrameStats& stats) : registers_(registers), stats_(stats) {}

  // The table that `instructions` of a CIE begin with; false when they are not understood.
  bool Initialize(Common& common) {
    common_ = &common;
    state_ = State{};
    uint64_t at = 0;
    if (!Run(common.instructions, /*end=*/0, at, [](uint64_t) {})) return false;
    common.initial = state_;
    return true;
  }

  // Calls visit(address, rule) for the ranges of [begin, end).
  template <typename Visit>
  bool Rows(const Common& common, absl::string_view instructions, uint64_t begin, uint64_t end, Visit visit) {
    common_ = &common;
    state_ = common.initial;
    remembered_.clear();
    uint64_t row = begin;
    const bool understood = Run(instructions, end, row, [&](uint64_t next) {
      // Instructions without a place of their own change the same one.
      if (next > row) visit(row, RuleOf(state_));
    });
    if (row < end) visit(row, understood ? RuleOf(state_) : UnwindRule{});
    return understood;
  }

 private:
  // `before_advance(next address)` sees the state of the range that ends there. `at` is where the last one
  // starts.
  template <typename Visit>
  bool Run(absl::string_view instructions, uint64_t end, uint64_t& at, Visit before_advance) {
    Cursor in(instructions);
    while (!in.AtEnd()) {
      const uint8_t byte = in.Byte();
      const uint8_t operand = byte & 0x3f;
      uint64_t advance = 0;
      switch (byte & 0xc0) {
        case DW_CFA_advance_loc:
          advance = operand;
          break;
        case DW_CFA_offset:
          Save(operand, {Saved::Where::kAtCfa, Factored(in.Uleb())});
          break;
        case DW_CFA_restore:
          Restore(operand);
          break;
        default:
          if (!RunExtended(byte, in, advance)) return false;
      }
      if (!in.ok()) return false;
      if (advance == 0) continue;
      uint64_t next = 0;
      if (__builtin_mul_overflow(advance, common_->code_alignment, &advance) ||
          __builtin_add_overflow(at, advance, &next) || next >= end) {
        // What follows describes no code of this function.
        return next == end || end == 0;
      }
      before_advance(next);
      at = next;
    }
    return true;
  }

  bool RunExtended(uint8_t opcode, Cursor& in, uint64_t& advance) {
    switch (opcode) {
      case DW_CFA_nop:
      case kNegateRaState:
        return true;
      case DW_CFA_advance_loc1:
        advance = in.Byte();
        return true;
      case DW_CFA_advance_loc2:
        advance = in.Fixed<uint16_t>();
        return true;
      case DW_CFA_advance_loc4:
        advance = in.Fixed<uint32_t>();
        return true;
      case DW_CFA_offset_extended: {
        const uint64_t number = in.Uleb();
        Save(number, {Saved::Where::kAtCfa, Factored(in.Uleb())});
        return true;
      }
      case DW_CFA_offset_extended_sf: {
        const uint64_t number = in.Uleb();
        Save(number, {Saved::Where::kAtCfa, Factored(static_cast<uint64_t>(in.Sleb()))});
        return true;
      }
      case DW_CFA_GNU_negative_offset_extended: {
        const uint64_t number = in.Uleb();
        Save(number, {Saved::Where::kAtCfa, Factored(uint64_t{0} - in.Uleb())});
        return true;
      }
      case DW_CFA_restore_extended:
        Restore(in.Uleb());
        return true;
      case DW_CFA_undefined:
        Save(in.Uleb(), {Saved::Where::kUndefined, 0});
        return true;
      case DW_CFA_same_value:
        Save(in.Uleb(), {Saved::Where::kRegister, 0});
        return true;
      case DW_CFA_register: {
        const uint64_t number = in.Uleb();
        in.Uleb();
        Save(number, {Saved::Where::kUnsupported, 0});
        return true;
      }
      case DW_CFA_expression: {
        const uint64_t number = in.Uleb();
        Save(number, SavedByExpression(in.Take(in.Uleb())));
        return true;
      }
      case DW_CFA_val_offset: {
        const uint64_t number = in.Uleb();
        in.Uleb();
        Save(number, {Saved::Where::kUnsupported, 0});
        return true;
      }
      case DW_CFA_val_offset_sf: {
        const uint64_t number = in.Uleb();
        in.Sleb();
        Save(number, {Saved::Where::kUnsupported, 0});
        return true;
      }
      case DW_CFA_val_expression: {
        const uint64_t number = in.Uleb();
        in.Take(in.Uleb());
        Save(number, {Saved::Where::kUnsupported, 0});
        return true;
      }
      case DW_CFA_GNU_args_size:
        in.Uleb();
        return true;
      default:
        return RunOnCfa(opcode, in);
    }
  }

  bool RunOnCfa(uint8_t opcode, Cursor& in) {
    switch (opcode) {
      case DW_CFA_def_cfa:
        state_.by_expression = false;
        state_.cfa_register = in.Uleb();
        state_.cfa_offset = static_cast<int64_t>(in.Uleb());
        return true;
      case DW_CFA_def_cfa_sf:
        state_.by_expression = false;
        state_.cfa_register = in.Uleb();
        state_.cfa_offset = Factored(static_cast<uint64_t>(in.Sleb()));
        return true;
      case DW_CFA_def_cfa_register:
        state_.by_expression = false;
        state_.cfa_register = in.Uleb();
        return true;
      case DW_CFA_def_cfa_offset:
        state_.cfa_offset = static_cast<int64_t>(in.Uleb());
        return true;
      case DW_CFA_def_cfa_offset_sf:
        state_.cfa_offset = Factored(static_cast<uint64_t>(in.Sleb()));
        return true;
      case DW_CFA_def_cfa_expression:
        state_.by_expression = true;
        state_.cfa_expression = in.Take(in.Uleb());
        return true;
      case DW_CFA_remember_state:
        if (remembered_.size() >= kMaxRememberedStates) return false;
        remembered_.push_back(state_);
        return true;
      case DW_CFA_restore_state:
        if (remembered_.empty()) return false;
        state_ = remembered_.back();
        remembered_.pop_back();
        return true;
      default:
        return false;
    }
  }

  int64_t Factored(uint64_t value) const {
    return static_cast<int64_t>(value * static_cast<uint64_t>(common_->data_alignment));
  }

  void Save(uint64_t number, Saved saved) {
    if (number == registers_.frame_pointer) state_.frame_pointer = saved;
    if (number == registers_.return_address) state_.return_address = saved;
  }
  void Restore(uint64_t number) {
    if (number == registers_.frame_pointer) state_.frame_pointer = common_->initial.frame_pointer;
    if (number == registers_.return_address) state_.return_address = common_->initial.return_address;
  }

  // "fp + N", as functions have it that align their stack themselves.
  Saved SavedByExpression(absl::string_view expression) const {
    Cursor in(expression);
    const bool is_frame_pointer = in.Byte() == DW_OP_breg0 + registers_.frame_pointer;
    const int64_t offset = in.Sleb();
    if (!is_frame_pointer || !in.ok() || !in.AtEnd()) return {Saved::Where::kUnsupported, 0};
    return {Saved::Where::kAtFramePointer, offset};
  }

  UnwindRule RuleOf(const State& state) {
    if (common_->is_signal_frame) return {.cfa = CfaRule::kSignalFrame};
    if (state.return_address.where == Saved::Where::kUndefined) return {.cfa = CfaRule::kOutermost};
    UnwindRule rule;
    if (!SetCfa(state, rule) || !SetFramePointer(state, rule) || !SetReturnAddress(state, rule)) {
      ++stats_.unsupported_rules;
      return {};
    }
    return rule;
  }

  bool SetCfa(const State& state, UnwindRule& rule) const {
    if (state.by_expression) return SetCfaByExpression(state.cfa_expression, rule);
    if (state.cfa_register == registers_.stack_pointer) {
      rule.cfa = CfaRule::kStackPointer;
    } else if (state.cfa_register == registers_.frame_pointer) {
      rule.cfa = CfaRule::kFramePointer;
    } else {
      return false;
    }
    rule.cfa_offset = static_cast<int32_t>(state.cfa_offset);
    return FitsInt32(state.cfa_offset);
  }

  bool SetCfaByExpression(absl::string_view expression, UnwindRule& rule) const {
    // sp + 8 + ((ip & 15) >= 11) * 8: what linkers write for the PLT.
    static constexpr uint8_t kPlt[] = {DW_OP_breg7, 8,        DW_OP_breg16, 0,         DW_OP_lit15, DW_OP_and,
                                       DW_OP_lit11, DW_OP_ge, DW_OP_lit3,   DW_OP_shl, DW_OP_plus};
    static const absl::string_view kPltExpression(reinterpret_cast<const char*>(kPlt), sizeof(kPlt));
    if (expression == kPltExpression && registers_.return_address == 16) {
      rule.cfa = CfaRule::kPlt;
      return true;
    }
    Cursor in(expression);
    const uint8_t base = in.Byte();
    const int64_t offset = in.Sleb();
    const bool dereferenced = in.Byte() == DW_OP_deref;
    uint64_t addend = 0;
    if (!in.AtEnd()) {
      if (in.Byte() != DW_OP_plus_uconst) return false;
      addend = in.Uleb();
    }
    if (!in.ok() || !in.AtEnd() || !dereferenced || !FitsInt32(offset) ||
        addend > std::numeric_limits<int16_t>::max()) {
      return false;
    }
    if (base == DW_OP_breg0 + registers_.stack_pointer) {
      rule.cfa = CfaRule::kAtStackPointer;
    } else if (base == DW_OP_breg0 + registers_.frame_pointer) {
      rule.cfa = CfaRule::kAtFramePointer;
    } else {
      return false;
    }
    rule.cfa_offset = static_cast<int32_t>(offset);
    rule.cfa_addend = static_cast<int16_t>(addend);
    return true;
  }

  bool SetFramePointer(const State& state, UnwindRule& rule) const {
    switch (state.frame_pointer.where) {
      case Saved::Where::kRegister:
      case Saved::Where::kUndefined:  // then no caller asks for it
        return true;
      case Saved::Where::kAtCfa:
        rule.fp = FpRule::kAtCfa;
        break;
      case Saved::Where::kAtFramePointer:
        rule.fp = FpRule::kAtFramePointer;
        break;
      case Saved::Where::kUnsupported:
        return false;
    }
    rule.fp_offset = static_cast<int32_t>(state.frame_pointer.offset);
    return FitsInt32(state.frame_pointer.offset);
  }

  bool SetReturnAddress(const State& state, UnwindRule& rule) const {
    if (state.return_address.where == Saved::Where::kRegister) return registers_.return_address == 30;
    if (state.return_address.where != Saved::Where::kAtCfa) return false;
    rule.ra_offset = static_cast<int32_t>(state.return_address.offset);
    return rule.ra_offset != 0 && FitsInt32(state.return_address.offset);
  }

  const Registers registers_;
  CallFrameStats& stats_;
  const Common* common_ = nullptr;
  State state_;
  std::vector<State> remembered_;
};

// One section of a file, in memory.
class SectionReader {
 public:
  SectionReader(CallFrameSection section, const Registers& registers)
      : bytes_(std::move(section.bytes)),
        vaddr_(section.vaddr),
        is_eh_frame_(section.is_eh_frame),
        registers_(registers),
        interpreter_(registers, stats_) {}

  absl::StatusOr<CallFrameStats> Read(absl::FunctionRef<void(uint64_t, const UnwindRule&)> visit) {
    FindFunctions();
    if (functions_.empty()) return absl::InvalidArgumentError("no call frame information can be read");
    std::ranges::sort(functions_, {}, &Function::begin);
    uint64_t end = 0;
    UnwindRule last;
    const auto emit = [&](uint64_t address, const UnwindRule& rule) {
      if (rule != last) visit(address, rule);
      last = rule;
    };
    for (size_t i = 0; i < functions_.size(); ++i) {
      const Function& function = functions_[i];
      if (function.begin < end) {
        ++stats_.skipped_functions;
        continue;
      }
      if (function.begin > end) emit(end, UnwindRule{});
      end = function.begin + function.bytes;
      if (i + 1 < functions_.size())
        end = std::min(end, std::max(functions_[i + 1].begin, function.begin + 1));
      const absl::string_view instructions =
          absl::string_view(bytes_).substr(function.instructions, function.instruction_bytes);
      const bool understood =
          interpreter_.Rows(commons_[function.common], instructions, function.begin, end, emit);
      ++(understood ? stats_.functions : stats_.skipped_functions);
    }
    emit(end, UnwindRule{});
    return stats_;
  }

 private:
  // An FDE.
  struct Function {
    uint64_t begin = 0;
    uint32_t bytes = 0;
    uint32_t common = 0;
    uint32_t instructions = 0;  // offset in the section
    uint32_t instruction_bytes = 0;
  };

  void FindFunctions() {
    const unsigned char identity[EI_NIDENT] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB};
    Elf_Data data{};
    data.d_buf = bytes_.data();
    data.d_size = bytes_.size();
    data.d_type = ELF_T_BYTE;
    data.d_version = EV_CURRENT;
    Dwarf_Off offset = 0;
    while (offset < bytes_.size()) {
      Dwarf_Off next = 0;
      Dwarf_CFI_Entry entry;
      // Below 0 for an entry that is broken, which may still say where the next one is.
      const int result = dwarf_next_cfi(identity, &data, is_eh_frame_, offset, &next, &entry);
      if (result > 0 || next == static_cast<Dwarf_Off>(-1) || next <= offset) return;
      if (result == 0 && dwarf_cfi_cie_p(&entry)) {
        AddCommon(offset, entry.cie);
      } else if (result < 0 || !AddFunction(entry.fde)) {
        ++stats_.skipped_functions;
      }
      offset = next;
    }
  }

  void AddCommon(uint64_t offset, const Dwarf_CIE& cie) {
    // Some helpers of the dynamic linker are called with a link register of their own.
    if (cie.return_address_register != registers_.return_address) return;
    Common common;
    common.code_alignment = cie.code_alignment_factor;
    common.data_alignment = cie.data_alignment_factor;
    common.instructions =
        absl::string_view(reinterpret_cast<const char*>(cie.initial_instructions),
                          static_cast<size_t>(cie.initial_instructions_end - cie.initial_instructions));
    absl::string_view letters = cie.augmentation;
    Cursor augmentation(absl::string_view(reinterpret_cast<const char*>(cie.augmentation_data),
                                          cie.augmentation_data == nullptr ? 0 : cie.augmentation_data_size));
    for (const char letter : letters) {
      switch (letter) {
        case 'z':
          common.has_augmentation_length = true;
          break;
        case 'R':
          common.pointer_encoding = augmentation.Byte();
          break;
        case 'L':
          augmentation.Byte();
          break;
        case 'P':
          if (!SkipPointer(augmentation.Byte(), augmentation)) return;
          break;
        case 'S':
          common.is_signal_frame = true;
          break;
        case 'B':  // AArch64: the return address is signed with the other key
        case 'G':  // AArch64: memory tagging
          break;
        default:
          return;
      }
    }
    if (!augmentation.ok() || !interpreter_.Initialize(common)) return;
    common_by_offset_[offset] = static_cast<uint32_t>(commons_.size());
    commons_.push_back(common);
  }

  bool AddFunction(const Dwarf_FDE& fde) {
    const auto common = common_by_offset_.find(fde.CIE_pointer);
    if (common == common_by_offset_.end()) return false;
    const Common& cie = commons_[common->second];
    const uint64_t start = static_cast<uint64_t>(reinterpret_cast<const char*>(fde.start) - bytes_.data());
    const uint64_t end = static_cast<uint64_t>(reinterpret_cast<const char*>(fde.end) - bytes_.data());
    if (start > end || end > bytes_.size()) return false;
    Cursor in(absl::string_view(bytes_).substr(start, end - start));
    const std::optional<uint64_t> begin = ReadPointer(cie.pointer_encoding, start, in);
    // The length has the same form, and stands for itself.
    const std::optional<uint64_t> bytes = ReadPointer(cie.pointer_encoding & 0x0f, /*position=*/0, in);
    if (!begin.has_value() || !bytes.has_value()) return false;
    if (cie.has_augmentation_length) in.Take(in.Uleb());
    if (!in.ok() || *bytes > std::numeric_limits<uint32_t>::max() || *begin + *bytes < *begin) return false;
    // Functions that the linker has dropped, and empty ones.
    if (*begin == 0 || *bytes == 0) return true;
    functions_.push_back({.begin = *begin,
                          .bytes = static_cast<uint32_t>(*bytes),
                          .common = common->second,
                          .instructions = static_cast<uint32_t>(end - in.left()),
                          .instruction_bytes = static_cast<uint32_t>(in.left())});
    return true;
  }

  // `position` in the section is what DW_EH_PE_pcrel counts from.
  std::optional<uint64_t> ReadPointer(uint8_t encoding, uint64_t position, Cursor& in) const {
    uint64_t value = 0;
    switch (encoding & 0x0f) {
      case DW_EH_PE_absptr:
      case DW_EH_PE_udata8:
      case DW_EH_PE_sdata8:
        value = in.Fixed<uint64_t>();
        break;
      case DW_EH_PE_udata2:
        value = in.Fixed<uint16_t>();
        break;
      case DW_EH_PE_sdata2:
        value = static_cast<uint64_t>(int64_t{in.Fixed<int16_t>()});
        break;
      case DW_EH_PE_udata4:
        value = in.Fixed<uint32_t>();
        break;
      case DW_EH_PE_sdata4:
        value = static_cast<uint64_t>(int64_t{in.Fixed<int32_t>()});
        break;
      case DW_EH_PE_uleb128:
        value = in.Uleb();
        break;
      case DW_EH_PE_sleb128:
        value = static_cast<uint64_t>(in.Sleb());
        break;
      default:
        return std::nullopt;
    }
    if (!in.ok()) return std::nullopt;
    switch (encoding & 0xf0) {
      case 0:
        return value;
      case DW_EH_PE_pcrel:
        return value + vaddr_ + position;
      default:
        return std::nullopt;
    }
  }
  bool SkipPointer(uint8_t encoding, Cursor& in) const {
    return encoding == DW_EH_PE_omit || ReadPointer(encoding & 0x0f, 0, in).has_value();
  }

  std::string bytes_;
  const uint64_t vaddr_;
  const bool is_eh_frame_;
  const Registers registers_;
  CallFrameStats stats_;
  Interpreter interpreter_;
  std::vector<Common> commons_;
  absl::flat_hash_map<uint64_t, uint32_t> common_by_offset_;
  std::vector<Function> functions_;
};

}  // namespace

absl::StatusOr<CallFrameStats> ReadCallFrames(
    CallFrameSection section, uint16_t machine,
    absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)> visit) {
  const std::optional<Registers> registers = RegistersOf(machine);
  if (!registers.has_value()) {
    return absl::UnimplementedError(absl::StrCat("call frames of machine ", machine));
  }
  return SectionReader(std::move(section), *registers).Read(visit);
}

absl::StatusOr<CallFrameStats> ReadCallFrames(
    const ElfFile& elf, absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)> visit) {
  for (const char* name : {".eh_frame", ".debug_frame"}) {
    const ElfSection* section = elf.FindSection(name);
    if (section == nullptr || section->type == SHT_NOBITS || section->size == 0) continue;
    if ((section->flags & SHF_COMPRESSED) != 0) continue;
    if (section->size > kMaxSectionBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(name, " has ", section->size, " bytes"));
    }
    std::string bytes(section->size, '\0');
    if (!elf.bytes().Read(section->offset, bytes.data(), bytes.size())) {
      return absl::InvalidArgumentError(absl::StrCat(name, " lies beyond the end of the file"));
    }
    // A terminator alone.
    if (bytes.size() <= 4) continue;
    return ReadCallFrames({.bytes = std::move(bytes),
                           .vaddr = section->vaddr,
                           .is_eh_frame = absl::string_view(name) == ".eh_frame"},
                          elf.machine(), visit);
  }
  return absl::NotFoundError("no call frame information");
}

}  // namespace pilotlight
