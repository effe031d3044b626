// What is found must be what llvm-symbolizer finds, at addresses all over programs of three compilers.
#include "objfile/dwarf_frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

std::string Workload(const std::string& name) { return absl::StrCat(PILOTLIGHT_WORKLOADS, "/", name); }

// Addresses of the code, each a few bytes from the next.
std::vector<uint64_t> SomeAddresses(const ElfFile& elf) {
  const ElfSection* const text = elf.FindSection(".text");
  EXPECT_NE(text, nullptr);
  std::vector<uint64_t> addresses;
  const uint64_t step = std::max<uint64_t>(3, text->size / 20'000);
  for (uint64_t at = text->vaddr; at < text->vaddr + text->size; at += step) addresses.push_back(at);
  return addresses;
}

// Without directories, which are written in several ways; nothing for what has no line.
std::string Place(absl::string_view file, absl::string_view line, absl::string_view start_line) {
  return absl::StrCat(line == "0" ? "?" : file.substr(file.rfind('/') + 1), ":", line, "-", start_line);
}

// By address: "function file:line-start line", the innermost first.
using Frames = std::vector<std::string>;

std::vector<Frames> OfLlvm(const std::string& path, const std::vector<uint64_t>& addresses) {
  const std::string list = testing::TempDir() + "/addresses";
  {
    std::ofstream file(list);
    for (const uint64_t address : addresses) file << "0x" << absl::StrCat(absl::Hex(address)) << "\n";
  }
  const CommandResult result = RunCommand(absl::StrCat(
      "llvm-symbolizer-14 --obj=", path, " --functions=linkage --inlines --no-demangle --verbose < ", list));
  EXPECT_EQ(result.exit_code, 0);
  // The function, and what is known of it on lines of their own, for each frame; an empty line after each
  // address.
  std::vector<Frames> all;
  for (const absl::string_view answer : absl::StrSplit(result.output, "\n\n", absl::SkipEmpty())) {
    const std::vector<absl::string_view> lines = absl::StrSplit(answer, '\n', absl::SkipEmpty());
    Frames& frames = all.emplace_back();
    absl::string_view function;
    absl::string_view file;
    absl::string_view start_line = "0";
    for (absl::string_view line : lines) {
      if (absl::ConsumePrefix(&line, "  Filename: ")) {
        file = line;
        start_line = "0";
      } else if (absl::ConsumePrefix(&line, "  Function start line: ")) {
        start_line = line;
      } else if (absl::ConsumePrefix(&line, "  Line: ")) {
        frames.push_back(absl::StrCat(function, " ", Place(file, line, start_line)));
      } else if (!absl::StartsWith(line, "  ")) {
        function = line;
      }
    }
  }
  EXPECT_EQ(all.size(), addresses.size());
  all.resize(addresses.size());
  return all;
}

// The outermost function has the symbol's name there, which says more than DWARF.
void ForgetOutermostName(Frames& frames) {
  if (!frames.empty()) frames.back() = frames.back().substr(frames.back().rfind(' '));
}

void ExpectSameAsLlvm(const std::string& name, size_t least_inlined) {
  const std::string path = Workload(name);
  const auto elf = ElfFile::FromFd(*OpenReadOnly(path));
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto dwarf = DwarfFrames::Create(**elf);
  ASSERT_TRUE(dwarf.ok()) << dwarf.status();
  const std::vector<uint64_t> addresses = SomeAddresses(**elf);
  const std::vector<Frames> expected = OfLlvm(path, addresses);
  size_t known = 0;
  std::set<std::string> inlined;
  size_t different = 0;
  for (size_t i = 0; i < addresses.size(); ++i) {
    std::vector<SourceFrame> frames;
    if (!(*dwarf)->Lookup(addresses[i], frames)) continue;
    ++known;
    Frames found;
    for (const SourceFrame& frame : frames) {
      if (frame.inlined) inlined.insert(frame.function);
      found.push_back(absl::StrCat(
          frame.function, " ", Place(frame.file, absl::StrCat(frame.line), absl::StrCat(frame.start_line))));
    }
    Frames wanted = expected[i];
    ForgetOutermostName(found);
    ForgetOutermostName(wanted);
    if (found == wanted) continue;
    if (++different > 3) continue;
    ADD_FAILURE() << name << " 0x" << absl::StrCat(absl::Hex(addresses[i])) << ": "
                  << testing::PrintToString(found) << "\nllvm: " << testing::PrintToString(wanted);
  }
  EXPECT_EQ(different, 0u) << "of " << known;
  EXPECT_GT(known, 100u);
  EXPECT_GE(inlined.size(), least_inlined);
}

TEST(DwarfFramesTest, FindsWhatLlvmFindsInCodeOfGcc) { ExpectSameAsLlvm("inlined_gcc", 50); }
TEST(DwarfFramesTest, FindsWhatLlvmFindsInDwarf4) { ExpectSameAsLlvm("inlined_gcc_dwarf4", 50); }
TEST(DwarfFramesTest, FindsWhatLlvmFindsInCodeOfClang) { ExpectSameAsLlvm("inlined_clang", 50); }
#ifdef PILOTLIGHT_RUST
TEST(DwarfFramesTest, FindsWhatLlvmFindsInRust) { ExpectSameAsLlvm("inlined_rust", 50); }
#endif

TEST(DwarfFramesTest, HasNoneOfAStrippedFile) {
  const auto elf = ElfFile::FromFd(*OpenReadOnly(Workload("inlined_stripped")));
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(DebugInfoBytes(**elf), 0u);
  EXPECT_EQ(DwarfFrames::Create(**elf).status().code(), absl::StatusCode::kNotFound);
}

TEST(DwarfFramesTest, CountsCompressedSectionsAsTheyAreInMemory) {
  const auto compressed = ElfFile::FromFd(*OpenReadOnly(Workload("inlined_gcc")));
  const auto file = ReadFile(Workload("inlined_gcc"));
  ASSERT_TRUE(compressed.ok() && file.ok());
  EXPECT_GT(DebugInfoBytes(**compressed), file->size());
}

TEST(DwarfFramesTest, ReadsAnImageInMemoryToo) {
  const auto bytes = ReadFile(Workload("inlined_gcc"));
  ASSERT_TRUE(bytes.ok());
  const auto elf = ElfFile::FromBytes(*bytes);
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_TRUE(DwarfFrames::Create(**elf).ok());
}

}  // namespace
}  // namespace pilotlight
