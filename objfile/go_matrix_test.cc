// The Go reader against the Go runtime: the same program, built by each Go version in each way, says itself
// what its addresses are.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "objfile/elf_file.h"
#include "objfile/go_symbols.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Build {
  std::string name;
  std::string arguments;
  bool cgo = false;
};

const std::vector<Build>& Builds() {
  static const std::vector<Build> builds = {
      {.name = "plain", .arguments = ""},
      {.name = "stripped", .arguments = "'-ldflags=-s -w'"},
      {.name = "pie", .arguments = "-buildmode=pie '-ldflags=-s -w'"},
      {.name = "external_pie",
       .arguments = "-buildmode=pie '-ldflags=-s -w -linkmode=external'",
       .cgo = true},
  };
  return builds;
}

// The program's path, built unless it is newer than its source. Empty and `error` filled when that fails.
std::string BuildProgram(const std::string& toolchain, const Build& build, std::string& error) {
  const std::string source = PILOTLIGHT_SOURCE_DIR "/tests/workloads/symbols";
  const std::string directory = PILOTLIGHT_GO_MATRIX_DIR;
  std::string path = absl::StrCat(directory, "/", toolchain, "-", build.name);
  std::error_code missing;
  const auto built = std::filesystem::last_write_time(path, missing);
  if (!missing && built > std::filesystem::last_write_time(source + "/main.go")) return path;
  EXPECT_TRUE(MakeDirectories(directory).ok());
  const CommandResult result = RunCommand(absl::StrCat(
      "cd ", source, " && GOTOOLCHAIN=", toolchain, " CGO_ENABLED=", build.cgo ? 1 : 0,
      " GOFLAGS=-buildvcs=false nice ", PILOTLIGHT_GO, " build -o ", path, " ", build.arguments, " . 2>&1"));
  if (result.exit_code == 0) return path;
  error = result.output;
  return "";
}

bool IsNoNetwork(const std::string& error) {
  for (const char* sign : {"no such host", "network is unreachable", "connection refused", "i/o timeout",
                           "Temporary failure in name resolution", "no route to host"}) {
    if (absl::StrContains(error, sign)) return true;
  }
  return false;
}

// As the runtime prints the names of generic functions.
std::string Shortened(const std::string& name) {
  const size_t open = name.find('[');
  const size_t close = name.rfind(']');
  if (open == std::string::npos || close == std::string::npos || close <= open) return name;
  return absl::StrCat(name.substr(0, open), "[...]", name.substr(close + 1));
}

std::string Text(const std::vector<SourceFrame>& frames) {
  std::string text;
  for (const SourceFrame& frame : frames) {
    absl::StrAppend(&text, frame.inlined ? "  (inlined) " : "  ", frame.function, " ", frame.file, ":",
                    frame.line, " of ", frame.start_line, "\n");
  }
  return text;
}

struct Expectation {
  int64_t offset = 0;
  bool whole = false;  // else the innermost frame alone
  std::vector<SourceFrame> frames;
};

struct Dump {
  std::vector<Expectation> expectations;
  std::optional<int64_t> mcall_offset;
  size_t chains_of_three = 0;  // inlined calls in a row
};

Dump ReadDump(const std::string& program) {
  Dump dump;
  const CommandResult result = RunCommand(program);
  EXPECT_EQ(result.exit_code, 0) << program;
  bool done = false;
  for (const absl::string_view line : absl::StrSplit(result.output, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    Expectation expectation;
    if (fields[0] == "done") done = true;
    if (fields[0] == "done" || !absl::SimpleAtoi(fields[1], &expectation.offset)) continue;
    if (fields[0] == "mcall") dump.mcall_offset = expectation.offset;
    if (fields[0] != "pc" && fields[0] != "chain") continue;
    expectation.whole = fields[0] == "chain";
    for (size_t i = 2; i + 4 < fields.size(); i += 5) {
      SourceFrame frame{.function = fields[i + 1], .file = fields[i + 2], .inlined = fields[i] == "1"};
      EXPECT_TRUE(absl::SimpleAtoi(fields[i + 3], &frame.line)) << line;
      EXPECT_TRUE(absl::SimpleAtoi(fields[i + 4], &frame.start_line)) << line;
      // What the runtime says where it knows no line: in the padding between functions.
      if (frame.file == "?") frame.file.clear();
      expectation.frames.push_back(frame);
    }
    if (expectation.frames.size() == 4) ++dump.chains_of_three;
    dump.expectations.push_back(std::move(expectation));
  }
  EXPECT_TRUE(done) << program << " ended early";
  return dump;
}

// Made by the compiler around a method, or around a call that `go` or `defer` starts; or taken for such
// (cmd/internal/objabi/funcid.go).
bool IsWrapper(const SourceFrame& frame) {
  return frame.function == "reflect.callMethod" || frame.function == "reflect.callReflect" ||
         frame.function == "runtime.deferreturn" || frame.file == "<autogenerated>" ||
         absl::StrContains(frame.function, ".deferwrap") || absl::StrContains(frame.function, ".gowrap");
}

// The runtime leaves wrappers out when it walks from an inlined call to its callers. They are real functions,
// so the reader does not.
std::vector<SourceFrame> WithoutCallingWrappers(const std::vector<SourceFrame>& frames) {
  std::vector<SourceFrame> kept;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i == 0 || !IsWrapper(frames[i])) kept.push_back(frames[i]);
  }
  return kept;
}

void ExpectSameAsRuntime(const GoSymbols& symbols, const Dump& dump) {
  std::optional<GoSymbols::Function> anchor;
  size_t unnamed = 0;
  std::string generic;
  for (uint32_t i = 0; i < symbols.function_count(); ++i) {
    const std::optional<GoSymbols::Function> function = symbols.FunctionAt(i);
    ASSERT_TRUE(function.has_value()) << "function " << i;
    if (function->name == "main.anchor") anchor = function;
    if (function->name.empty()) ++unnamed;
    if (absl::StartsWith(function->name, "main.sumOf[") && generic.size() < function->name.size()) {
      generic = function->name;
    }
  }
  EXPECT_EQ(unnamed, 0);
  // Until Go 1.20 the linker shortened the names of generic functions.
  EXPECT_THAT(generic, AnyOf(HasSubstr("go.shape.struct { Count int64; "), Eq("main.sumOf[...]")));
  ASSERT_TRUE(anchor.has_value());

  size_t wrong = 0;
  size_t without_line = 0;
  for (const Expectation& expected : dump.expectations) {
    std::vector<SourceFrame> frames;
    const uint64_t address = anchor->entry + static_cast<uint64_t>(expected.offset);
    const bool found = symbols.Lookup(address, frames);
    for (SourceFrame& frame : frames) frame.function = Shortened(frame.function);
    std::vector<SourceFrame> wanted = expected.frames;
    for (SourceFrame& frame : wanted) frame.function = Shortened(frame.function);
    if (!wanted.empty() && wanted[0].file.empty()) ++without_line;
    if (!expected.whole && !frames.empty()) frames.resize(1);
    // The runtime may know nothing of a C function's entry in the table, or of the last byte.
    const bool nothing = wanted.size() == 1 && wanted[0].function.empty();
    if (nothing || frames == wanted || (expected.whole && WithoutCallingWrappers(frames) == wanted)) continue;
    if (++wrong <= 10) {
      ADD_FAILURE() << "at " << absl::StrCat(absl::Hex(address)) << (found ? "" : " (not found)")
                    << "\nwanted\n"
                    << Text(wanted) << "found\n"
                    << Text(frames);
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << dump.expectations.size();
  EXPECT_LT(without_line, dump.expectations.size() / 10);
  EXPECT_GT(dump.chains_of_three, 0);
  ASSERT_TRUE(dump.mcall_offset.has_value());
  const auto mcall = symbols.FindFunction(anchor->entry + static_cast<uint64_t>(*dump.mcall_offset));
  ASSERT_TRUE(mcall.has_value());
  EXPECT_EQ(mcall->name, "runtime.mcall");
  EXPECT_TRUE(symbols.IsMcall(*mcall)) << int{mcall->func_id};
  EXPECT_FALSE(symbols.IsMcall(*anchor));
  EXPECT_LT(symbols.byte_size(), 8192);
}

void ZeroSectionHeaders(std::string& image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image.data(), sizeof(header));
  header.e_shoff = 0;
  header.e_shnum = 0;
  header.e_shstrndx = 0;
  std::memcpy(image.data(), &header, sizeof(header));
}

// What garble does to the magic, besides obfuscating names.
void GarbleMagic(std::string& image) {
  const auto elf = ElfFile::FromBytes(image);
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto tables = FindGoTables(**elf);
  ASSERT_TRUE(tables.ok()) << tables.status();
  const uint32_t magic = 0x5eed1234;
  std::memcpy(image.data() + *(*elf)->VaddrToOffset(tables->header), &magic, sizeof(magic));
}

class GoMatrixTest : public ::testing::TestWithParam<std::string> {
 protected:
  // True when the program could be built and its dump is read; else the test has failed or is skipped.
  void Prepare(const std::string& build_name) {
    for (const Build& build : Builds()) {
      if (build.name != build_name) continue;
      std::string error;
      program_ = BuildProgram(GetParam(), build, error);
      if (program_.empty() && IsNoNetwork(error))
        GTEST_SKIP() << "no network to fetch " << GetParam() << ": " << error;
      ASSERT_FALSE(program_.empty()) << error;
      dump_ = ReadDump(program_);
      auto image = ReadFile(program_);
      ASSERT_TRUE(image.ok()) << image.status();
      image_ = *std::move(image);
    }
  }
  void ExpectSameInImage() {
    const auto elf = ElfFile::FromBytes(image_);
    ASSERT_TRUE(elf.ok()) << elf.status();
    const auto symbols = GoSymbols::Create(**elf);
    ASSERT_TRUE(symbols.ok()) << symbols.status();
    ExpectSameAsRuntime(**symbols, dump_);
  }

  std::string program_;
  Dump dump_;
  std::string image_;
};

// Prepare() skips or fails in a function of its own, so each test stops there by itself.
#define PREPARE(build) \
  Prepare(build);      \
  if (IsSkipped() || HasFailure()) return

TEST_P(GoMatrixTest, ReadsAPlainBinary) {
  PREPARE("plain");
  auto fd = OpenReadOnly(program_);
  ASSERT_TRUE(fd.ok());
  const auto elf = ElfFile::FromFd(*std::move(fd));
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto symbols = GoSymbols::Create(**elf);
  ASSERT_TRUE(symbols.ok()) << symbols.status();
  ExpectSameAsRuntime(**symbols, dump_);
  std::vector<std::string> names;
  for (uint32_t i = 0; i < (*symbols)->function_count(); ++i)
    names.push_back((*symbols)->FunctionAt(i)->name);
  if (GetParam() == "local" || GetParam() == "go1.22.12") {
    const auto swap = std::count_if(names.begin(), names.end(), [](const std::string& name) {
      return name == "main.(*pair[go.shape.string,go.shape.struct { X int; Y int }]).swap";
    });
    EXPECT_EQ(swap, 1) << "a name with spaces, semicolons and brackets";
  }
  EXPECT_THAT((*symbols)->go_version(), AnyOf(GetParam(), StartsWith("go1.26")));
}

TEST_P(GoMatrixTest, ReadsAStrippedBinary) {
  PREPARE("stripped");
  ExpectSameInImage();
}

TEST_P(GoMatrixTest, ReadsAStrippedPie) {
  PREPARE("pie");
  ExpectSameInImage();
}

TEST_P(GoMatrixTest, ReadsAnExternallyLinkedPie) {
  PREPARE("external_pie");
  ExpectSameInImage();
}

TEST_P(GoMatrixTest, ReadsABinaryWithoutSectionHeaders) {
  PREPARE("stripped");
  ZeroSectionHeaders(image_);
  ExpectSameInImage();
  PREPARE("pie");
  ZeroSectionHeaders(image_);
  ExpectSameInImage();
}

TEST_P(GoMatrixTest, ReadsABinaryWithAGarbledMagic) {
  PREPARE("stripped");
  GarbleMagic(image_);
  ExpectSameInImage();
}

TEST_P(GoMatrixTest, ReadsAnExternallyLinkedPieGarbledAndWithoutSectionHeaders) {
  PREPARE("external_pie");
  GarbleMagic(image_);
  ZeroSectionHeaders(image_);
  ExpectSameInImage();
}

std::string TestName(const ::testing::TestParamInfo<std::string>& toolchain) {
  std::string name = toolchain.param;
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Versions, GoMatrixTest,
                         ::testing::Values("go1.18.10", "go1.20.14", "go1.22.12", "go1.24.13", "local"),
                         TestName);

}  // namespace
}  // namespace pilotlight
