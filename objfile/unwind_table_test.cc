#include "objfile/unwind_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "tests/support/go_image.h"

namespace pilotlight {
namespace {

using Table = std::map<uint64_t, UnwindRule>;

absl::StatusOr<Table> TableOf(const ElfFile& elf) {
  Table table;
  const absl::StatusOr<CallFrameStats> stats =
      ReadUnwindTable(elf, [&](uint64_t address, const UnwindRule& rule) { table[address] = rule; });
  if (!stats.ok()) return stats.status();
  return table;
}

CfaRule RuleAt(const Table& table, uint64_t address) {
  const auto next = table.upper_bound(address);
  return next == table.begin() ? CfaRule::kUnknown : std::prev(next)->second.cfa;
}

TEST(UnwindTableTest, DescribesTheCodeOfABinary) {
  const auto elf = ElfFile::FromFd(UniqueFd(::open(PILOTLIGHT_NATIVE_STRIPPED, O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto table = TableOf(**elf);
  ASSERT_TRUE(table.ok()) << table.status();
  const ElfSection* text = (*elf)->FindSection(".text");
  ASSERT_NE(text, nullptr);
  size_t known = 0;
  for (uint64_t address = text->vaddr; address < text->vaddr + text->size; ++address) {
    known += RuleAt(*table, address) != CfaRule::kUnknown ? 1 : 0;
  }
  // The rest fills up between functions, which are small here.
  EXPECT_GT(known, text->size / 2);
  EXPECT_EQ(table->rbegin()->second, UnwindRule{});
}

TEST(UnwindTableTest, AGoProgramWithoutCHasNone) {
  const GoImage image;
  const auto elf = ElfFile::FromBytes(image.bytes());
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(TableOf(**elf).status().code(), absl::StatusCode::kNotFound);
}

TEST(UnwindTableTest, GoCodeBesideCKeepsFramePointers) {
  const auto elf = ElfFile::FromFd(UniqueFd(::open(PILOTLIGHT_GO_AND_C, O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto table = TableOf(**elf);
  ASSERT_TRUE(table.ok()) << table.status();
  bool has_frame_chains = false;
  bool has_tables = false;
  for (const auto& [address, rule] : *table) {
    has_frame_chains |= rule.cfa == CfaRule::kFrameChain;
    has_tables |= rule.cfa == CfaRule::kStackPointer;
  }
  EXPECT_TRUE(has_frame_chains);
  EXPECT_TRUE(has_tables);
}

}  // namespace
}  // namespace pilotlight
