#include "objfile/call_frame_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <gtest/gtest.h>
#include <libelf.h>
#include <link.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace pilotlight {
namespace {

struct Row {
  uint64_t address;
  UnwindRule rule;
};

absl::StatusOr<std::vector<Row>> RowsOf(const std::string& path, CallFrameStats* stats = nullptr) {
  absl::StatusOr<std::unique_ptr<ElfFile>> elf =
      ElfFile::FromFd(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (!elf.ok()) return elf.status();
  std::vector<Row> rows;
  const absl::StatusOr<CallFrameStats> result =
      ReadCallFrames(**elf, [&](uint64_t address, const UnwindRule& rule) {
        rows.push_back({address, rule});
      });
  if (!result.ok()) return result.status();
  if (stats != nullptr) *stats = *result;
  return rows;
}

// The libraries that this very test has loaded: what there is differs from machine to machine.
std::vector<std::string> LoadedLibraries() {
  std::vector<std::string> paths;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* to) {
        if (absl::StartsWith(info->dlpi_name, "/")) {
          static_cast<std::vector<std::string>*>(to)->emplace_back(info->dlpi_name);
        }
        return 0;
      },
      &paths);
  return paths;
}

// What libdw says of one place, in the words of an UnwindRule.
class Reference {
 public:
  // `frame_pointer`, `stack_pointer`: as DWARF numbers the machine's.
  explicit Reference(const std::string& path, uint64_t frame_pointer = 6, uint64_t stack_pointer = 7)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        elf_((elf_version(EV_CURRENT), elf_begin(fd_.get(), ELF_C_READ, nullptr)), &elf_end),
        cfi_(dwarf_getcfi_elf(elf_.get()), &dwarf_cfi_end),
        frame_pointer_(frame_pointer),
        stack_pointer_(stack_pointer) {}

  UnwindRule At(uint64_t address) const {
    Dwarf_Frame* frame = nullptr;
    if (dwarf_cfi_addrframe(cfi_.get(), address, &frame) != 0) return {};
    const std::unique_ptr<Dwarf_Frame, decltype(&std::free)> owned(frame, &std::free);
    bool is_signal = false;
    const int return_register = dwarf_frame_info(frame, nullptr, nullptr, &is_signal);
    if (is_signal) return {.cfa = CfaRule::kSignalFrame};
    if (return_register != 16 && return_register != 30) return {};
    UnwindRule rule;
    const std::vector<Dwarf_Op> return_address = Register(frame, return_register);
    // On arm64 it says "undefined" also of one that was never moved out of the link register.
    if (return_address.empty() && undefined_ && return_register != 30) return {.cfa = CfaRule::kOutermost};
    Dwarf_Op* ops = nullptr;
    size_t count = 0;
    if (dwarf_frame_cfa(frame, &ops, &count) != 0) return {};
    const bool by_number = count == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31;
    if (by_number || (count == 1 && ops[0].atom == DW_OP_bregx)) {
      const bool extended = ops[0].atom == DW_OP_bregx;
      const Dwarf_Word number = extended ? ops[0].number : ops[0].atom - DW_OP_breg0;
      if (number != frame_pointer_ && number != stack_pointer_) return {};
      rule.cfa = number == stack_pointer_ ? CfaRule::kStackPointer : CfaRule::kFramePointer;
      rule.cfa_offset = static_cast<int32_t>(extended ? ops[0].number2 : ops[0].number);
    } else if (count == 9) {
      rule.cfa = CfaRule::kPlt;
    } else if (count >= 2 && ops[1].atom == DW_OP_deref) {
      rule.cfa = ops[0].atom == DW_OP_breg7 ? CfaRule::kAtStackPointer : CfaRule::kAtFramePointer;
      rule.cfa_offset = static_cast<int32_t>(ops[0].number);
      if (count == 3) rule.cfa_addend = static_cast<int16_t>(ops[2].number);
    } else {
      return {};
    }
    // "call_frame_cfa, plus_uconst N"; else it is in a register.
    const bool in_link_register = return_address.empty() && return_register == 30;
    if (return_address.size() != 2 && !in_link_register) return {};
    if (!in_link_register) rule.ra_offset = static_cast<int32_t>(return_address[1].number);
    const std::vector<Dwarf_Op> frame_pointer = Register(frame, static_cast<int>(frame_pointer_));
    if (frame_pointer.size() == 2 && frame_pointer[0].atom == DW_OP_call_frame_cfa) {
      rule.fp = FpRule::kAtCfa;
      rule.fp_offset = static_cast<int32_t>(frame_pointer[1].number);
    } else if (frame_pointer.size() == 1 && frame_pointer[0].atom == DW_OP_breg6) {
      rule.fp = FpRule::kAtFramePointer;
      rule.fp_offset = static_cast<int32_t>(frame_pointer[0].number);
    } else if (!frame_pointer.empty()) {
      return {};
    }
    return rule;
  }

 private:
  // Empty when it has its value still, or when it is undefined.
  std::vector<Dwarf_Op> Register(Dwarf_Frame* frame, int number) const {
    Dwarf_Op storage[3];
    Dwarf_Op* ops = nullptr;
    size_t count = 0;
    if (dwarf_frame_register(frame, number, storage, &ops, &count) != 0) return {};
    undefined_ = count == 0 && ops != nullptr;
    return {ops, ops + count};
  }

  const UniqueFd fd_;
  const std::unique_ptr<Elf, decltype(&elf_end)> elf_;
  const std::unique_ptr<Dwarf_CFI, decltype(&dwarf_cfi_end)> cfi_;
  const uint64_t frame_pointer_;
  const uint64_t stack_pointer_;
  mutable bool undefined_ = false;
};

std::string Show(const UnwindRule& rule) {
  return absl::StrCat("cfa ", static_cast<int>(rule.cfa), " ", rule.cfa_offset, "+", rule.cfa_addend, " fp ",
                      static_cast<int>(rule.fp), " ", rule.fp_offset, " ra ", rule.ra_offset);
}

void ExpectWhatLibdwSays(const std::string& path, const Reference& reference) {
  SCOPED_TRACE(path);
  const auto rows = RowsOf(path);
  ASSERT_TRUE(rows.ok()) << rows.status();
  int wrong = 0;
  for (size_t i = 0; i + 1 < rows->size() && wrong < 5; ++i) {
    // A row's first place, and its last one.
    for (const uint64_t address : {(*rows)[i].address, (*rows)[i + 1].address - 1}) {
      const UnwindRule expected = reference.At(address);
      if ((*rows)[i].rule == expected) continue;
      if ((*rows)[i].rule.cfa == CfaRule::kOutermost && expected.ra_offset == 0) continue;
      ++wrong;
      ADD_FAILURE() << absl::StrCat(absl::Hex(address)) << ": " << Show((*rows)[i].rule) << ", libdw "
                    << Show(expected);
    }
  }
}

TEST(CallFrameInfoTest, SaysOfArm64WhatLibdwSays) {
  const std::string path = "/usr/aarch64-linux-gnu/lib/libc.so.6";
  if (::access(path.c_str(), R_OK) != 0) GTEST_SKIP() << "needs the package libc6-arm64-cross";
  ExpectWhatLibdwSays(path, Reference(path, /*frame_pointer=*/29, /*stack_pointer=*/31));
}

#ifdef __x86_64__
TEST(CallFrameInfoTest, SaysWhatLibdwSays) {
  const std::vector<std::string> libraries = LoadedLibraries();
  ASSERT_FALSE(libraries.empty());
  for (const std::string& path : libraries) ExpectWhatLibdwSays(path, Reference(path));
}

TEST(CallFrameInfoTest, KnowsEndsSignalFramesAndThePlt) {
  bool outermost = false;
  bool signal_frame = false;
  bool plt = false;
  for (const std::string& path : LoadedLibraries()) {
    const auto rows = RowsOf(path);
    ASSERT_TRUE(rows.ok()) << rows.status();
    for (const Row& row : *rows) {
      outermost |= row.rule.cfa == CfaRule::kOutermost;
      signal_frame |= row.rule.cfa == CfaRule::kSignalFrame;
      plt |= row.rule.cfa == CfaRule::kPlt;
    }
  }
  EXPECT_TRUE(outermost);     // clone3() of libc
  EXPECT_TRUE(signal_frame);  // __restore_rt() of libc
  EXPECT_TRUE(plt);
}
#endif

TEST(CallFrameInfoTest, RowsGrowAndDiffer) {
  for (const std::string& path : LoadedLibraries()) {
    SCOPED_TRACE(path);
    CallFrameStats stats;
    const auto rows = RowsOf(path, &stats);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_GT(stats.functions, 0u);
    EXPECT_LE(stats.skipped_functions, stats.functions / 1000);
    EXPECT_LE(stats.unsupported_rules, rows->size() / 100);
    ASSERT_EQ(rows->back().rule, UnwindRule{});
    for (size_t i = 1; i < rows->size(); ++i) {
      ASSERT_GT((*rows)[i].address, (*rows)[i - 1].address);
      ASSERT_NE((*rows)[i].rule, (*rows)[i - 1].rule);
    }
  }
}

TEST(CallFrameInfoTest, AFileWithoutItIsNotFound) {
  const absl::StatusOr<std::string> library = ReadFile(LoadedLibraries().front());
  ASSERT_TRUE(library.ok());
  std::string bytes = *library;
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.e_shoff = 0;
  header.e_shnum = 0;
  header.e_shstrndx = 0;
  std::memcpy(bytes.data(), &header, sizeof(header));
  const auto elf = ElfFile::FromBytes(bytes);
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(ReadCallFrames(**elf, [](uint64_t, const UnwindRule&) {}).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace pilotlight
