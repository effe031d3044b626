// The Go reader on hand-made tables; go_matrix_test.cc has the real ones.
#include "objfile/go_symbols.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "objfile/elf_file.h"
#include "tests/support/go_image.h"

namespace pilotlight {
namespace {

using ::testing::ElementsAre;

// Keeps the bytes that the others refer to.
struct Opened {
  explicit Opened(std::string image) : bytes(std::move(image)) {
    absl::StatusOr<std::unique_ptr<ElfFile>> file = ElfFile::FromBytes(bytes);
    status = file.status();
    if (!file.ok()) return;
    elf = *std::move(file);
    absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(*elf);
    status = go.status();
    if (go.ok()) symbols = *std::move(go);
  }
  std::vector<SourceFrame> At(uint64_t offset) const {
    std::vector<SourceFrame> frames;
    symbols->Lookup(GoImage::kText + offset, frames);
    return frames;
  }

  const std::string bytes;
  absl::Status status;
  std::unique_ptr<ElfFile> elf;
  std::unique_ptr<GoSymbols> symbols;
};

class GoSymbolsTest : public ::testing::TestWithParam<GoImageOptions> {};

TEST_P(GoSymbolsTest, ExpandsInlinedCalls) {
  const Opened opened(GoImage(GetParam()).bytes());
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  const uint32_t second = GetParam().go118 ? 0 : 9;  // where main.second begins, and the inlined ones
  const uint32_t inlined = GetParam().go118 ? 0 : 5;
  EXPECT_THAT(opened.At(0x52), ElementsAre(SourceFrame{"main.inner", "/src/b.go", 20, inlined, true},
                                           SourceFrame{"main.outer", "/src/b.go", 20, inlined, true},
                                           SourceFrame{"main.second", "/src/a.go", 10, second, false}));
  EXPECT_THAT(opened.At(0x5f), ElementsAre(SourceFrame{"main.outer", "/src/b.go", 20, inlined, true},
                                           SourceFrame{"main.second", "/src/a.go", 10, second, false}));
  EXPECT_THAT(opened.At(0x60), ElementsAre(SourceFrame{"main.second", "/src/a.go", 11, second, false}));
}

TEST_P(GoSymbolsTest, KnowsMcallAlsoWithoutItsName) {
  const Opened opened(GoImage(GetParam()).bytes());
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  const auto named = opened.symbols->FindFunction(GoImage::kText + 0x80);
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->name, "runtime.mcall");
  EXPECT_TRUE(opened.symbols->IsMcall(*named));
  // The fourth function has mcall's number and an empty name, as garble -tiny leaves it.
  EXPECT_EQ(opened.At(0xc0)[0].function, "runtime.mcall");
  EXPECT_FALSE(opened.symbols->IsMcall(*opened.symbols->FindFunction(GoImage::kText)));
}

TEST_P(GoSymbolsTest, KnowsWhereTheTextEnds) {
  const Opened opened(GoImage(GetParam()).bytes());
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_EQ(opened.symbols->function_count(), 4);
  EXPECT_EQ(opened.At(0)[0].function, "main.first");
  EXPECT_EQ(opened.At(0xff).size(), 1);
  EXPECT_TRUE(opened.At(0x100).empty());
  EXPECT_TRUE(opened.At(static_cast<uint64_t>(-1)).empty());
}

TEST_P(GoSymbolsTest, SurvivesEveryTruncation) {
  const std::string bytes = GoImage(GetParam()).bytes();
  for (size_t size = 0x1f00; size < bytes.size(); size += 3) {
    const Opened opened(bytes.substr(0, size));
    if (opened.symbols != nullptr) opened.At(0x52);
  }
}

// Each byte of the tables in turn is replaced by one that tends to hurt.
TEST_P(GoSymbolsTest, SurvivesEveryHostileByte) {
  const std::string bytes = GoImage(GetParam()).bytes();
  for (size_t at = GoImage::kTablesOffset; at < GoImage::kTablesOffset + 0x280; ++at) {
    for (const int value : {0xff, 0x80, 0x7f, 0x00}) {
      std::string hostile = bytes;
      hostile[at] = static_cast<char>(value);
      const Opened opened(hostile);
      if (opened.symbols == nullptr) continue;
      for (uint64_t offset = 0; offset < 0x100; offset += 16) opened.At(offset);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, GoSymbolsTest,
    ::testing::Values(GoImageOptions{}, GoImageOptions{.go118 = true},
                      GoImageOptions{.text_in_header = false}, GoImageOptions{.magic = 0x12345678},
                      GoImageOptions{.go118 = true, .magic = 0x12345678},
                      GoImageOptions{.position_independent = true},
                      GoImageOptions{.position_independent = true, .text_in_header = false},
                      GoImageOptions{.section_headers = false},
                      GoImageOptions{
                          .magic = 0x12345678, .position_independent = true, .section_headers = false}));

TEST(GoTablesTest, RefusesAFunctionTableThatIsNotSorted) {
  const GoImage image;
  std::string bytes = image.bytes();
  const uint32_t entry = 0xf0;
  std::memcpy(bytes.data() + GoImage::kTablesOffset + image.functions_offset() + 8, &entry, sizeof(entry));
  EXPECT_EQ(Opened(bytes).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(GoTablesTest, RefusesMoreFunctionsThanTheFileHolds) {
  std::string bytes = GoImage().bytes();
  const uint64_t count = 1 << 20;
  std::memcpy(bytes.data() + GoImage::kTablesOffset + 8, &count, sizeof(count));
  EXPECT_EQ(Opened(bytes).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(GoTablesTest, SaysThatAnotherBinaryIsNotGo) {
  std::string bytes = GoImage().bytes();
  std::memset(bytes.data() + GoImage::kTablesOffset, 0, 0x80);
  EXPECT_EQ(Opened(bytes).status.code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace pilotlight
