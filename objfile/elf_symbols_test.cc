#include "objfile/elf_symbols.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "objfile/demangle.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

// Name to address, as the program says itself.
std::map<std::string, uint64_t> AskProgram(const std::string& program) {
  std::map<std::string, uint64_t> functions;
  const CommandResult result = RunCommand(program);
  EXPECT_EQ(result.exit_code, 0);
  for (const absl::string_view line : absl::StrSplit(result.output, '\n', absl::SkipEmpty())) {
    const size_t space = line.rfind(' ');
    EXPECT_TRUE(absl::SimpleHexAtoi(line.substr(space + 1), &functions[std::string(line.substr(0, space))]));
  }
  return functions;
}

struct Opened {
  std::unique_ptr<ElfFile> elf;
  std::unique_ptr<ElfSymbols> symbols;
  std::string NameAt(uint64_t vaddr) const {
    const auto symbol = symbols->Find(vaddr);
    return symbol.has_value() ? Demangle(symbol->name) : "";
  }
};

Opened Open(const std::string& path, size_t max_symbols = 1 << 20) {
  Opened opened;
  opened.elf = *ElfFile::FromFd(*OpenReadOnly(path));
  absl::StatusOr<std::unique_ptr<ElfSymbols>> symbols = ElfSymbols::Create(*opened.elf, max_symbols);
  EXPECT_TRUE(symbols.ok()) << symbols.status();
  opened.symbols = *std::move(symbols);
  return opened;
}

TEST(ElfSymbolsTest, NamesTheFunctionsWhereTheProgramSaysTheyAre) {
  const Opened opened = Open(PILOTLIGHT_NATIVE);
  const std::map<std::string, uint64_t> functions = AskProgram(PILOTLIGHT_NATIVE);
  EXPECT_EQ(functions.size(), 5);
  for (const auto& [name, address] : functions) EXPECT_EQ(opened.NameAt(address), name);
}

TEST(ElfSymbolsTest, FindsAFunctionFromItsLastByte) {
  const Opened opened = Open(PILOTLIGHT_NATIVE);
  const uint64_t address = AskProgram(PILOTLIGHT_NATIVE).at("plain_function");
  const auto symbol = opened.symbols->Find(address);
  ASSERT_TRUE(symbol.has_value());
  ASSERT_GT(symbol->size, 0);
  EXPECT_EQ(opened.NameAt(address + symbol->size - 1), "plain_function");
  EXPECT_NE(opened.NameAt(address + symbol->size), "plain_function");
}

TEST(ElfSymbolsTest, PrefersTheNameWithFewerUnderscores) {
  const Opened opened = Open(PILOTLIGHT_NATIVE);
  EXPECT_EQ(opened.NameAt(AskProgram(PILOTLIGHT_NATIVE).at("plain_function")), "plain_function");
}

TEST(ElfSymbolsTest, AFunctionWithoutASizeReachesToTheNext) {
  const Opened opened = Open(PILOTLIGHT_NATIVE);
  const std::map<std::string, uint64_t> functions = AskProgram(PILOTLIGHT_NATIVE);
  const uint64_t nested = functions.at("nested_function");
  EXPECT_EQ(opened.NameAt(nested - 1), "sizeless_function");
  EXPECT_EQ(opened.NameAt(nested + 1), "nested_function");
}

TEST(ElfSymbolsTest, AStrippedBinaryIsNamedByItsDynamicSymbols) {
  const Opened opened = Open(PILOTLIGHT_NATIVE_STRIPPED);
  const std::map<std::string, uint64_t> functions = AskProgram(PILOTLIGHT_NATIVE_STRIPPED);
  EXPECT_EQ(opened.NameAt(functions.at("plain_function")), "plain_function");
}

TEST(ElfSymbolsTest, AStrippedLibraryDoesNotLendANameToWhatItDoesNotHold) {
  const Opened opened = Open("/usr/lib/x86_64-linux-gnu/libstdc++.so.6");
  size_t named = 0;
  size_t unnamed = 0;
  const ElfSection* text = opened.elf->FindSection(".text");
  ASSERT_NE(text, nullptr);
  for (uint64_t vaddr = text->vaddr; vaddr < text->vaddr + text->size; vaddr += 97) {
    const auto symbol = opened.symbols->Find(vaddr);
    ++(symbol.has_value() ? named : unnamed);
    if (!symbol.has_value() || symbol->size == 0) continue;
    EXPECT_LT(vaddr, symbol->vaddr + symbol->size);
  }
  EXPECT_GT(named, 0);
  EXPECT_GT(unnamed, 0);
}

TEST(ElfSymbolsTest, KeepsEightBytesAFunction) {
  const Opened opened = Open("/usr/lib/x86_64-linux-gnu/libstdc++.so.6");
  ASSERT_GT(opened.symbols->size(), 1000);
  EXPECT_LE(opened.symbols->byte_size(), opened.symbols->size() * 8 + 256);
}

TEST(ElfSymbolsTest, LeavesOutWhatIsOverTheLimitAndSaysSo) {
  const Opened opened = Open("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", /*max_symbols=*/100);
  EXPECT_LE(opened.symbols->size(), 100);
  EXPECT_GT(opened.symbols->left_out(), 1000);
}

TEST(ElfSymbolsTest, NamesRustFunctions) {
#ifdef PILOTLIGHT_RUST
  const Opened opened = Open(PILOTLIGHT_RUST);
  const std::string name = opened.NameAt(AskProgram(PILOTLIGHT_RUST).at("total"));
  EXPECT_TRUE(absl::StrContains(name, "shop::total")) << name;
  EXPECT_FALSE(absl::StrContains(name, "17h")) << name;
#else
  GTEST_SKIP() << "rustc was not found when this was configured";
#endif
}

}  // namespace
}  // namespace pilotlight
