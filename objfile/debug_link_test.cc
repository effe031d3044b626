#include "objfile/debug_link.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "objfile/elf_symbols.h"

namespace pilotlight {
namespace {

std::unique_ptr<ElfFile> Open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<ElfFile>> elf =
      ElfFile::FromFd(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  return elf.ok() ? *std::move(elf) : nullptr;
}

TEST(DebugLinkTest, ReadsTheNameOfTheDebugFile) {
  const auto elf = Open(PILOTLIGHT_NATIVE_LINKED);
  ASSERT_NE(elf, nullptr);
  const auto link = ReadDebugLink(*elf);
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->name, "symbols_native.debug");
  EXPECT_NE(link->crc, 0u);
}

TEST(DebugLinkTest, ABinaryWithItsSymbolsHasNone) {
  const auto elf = Open(PILOTLIGHT_NATIVE);
  ASSERT_NE(elf, nullptr);
  EXPECT_FALSE(ReadDebugLink(*elf).has_value());
  EXPECT_EQ(ReadMiniDebugInfo(*elf).status().code(), absl::StatusCode::kNotFound);
}

TEST(MiniDebugInfoTest, HasTheSymbols) {
  const auto elf = Open(PILOTLIGHT_NATIVE_MINI);
  ASSERT_NE(elf, nullptr);
  const auto mini = ReadMiniDebugInfo(*elf);
  ASSERT_TRUE(mini.ok()) << mini.status();
  EXPECT_NE((*mini)->FindSection(".symtab"), nullptr);
  EXPECT_TRUE(ElfSymbols::Create(**mini).ok());
  EXPECT_EQ(ReadMiniDebugInfo(*elf, /*max_bytes=*/512).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace pilotlight
