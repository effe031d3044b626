#include "agent/symbolize/caching_symbolizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/targets/process_table.h"
#include "base/file.h"
#include "objfile/elf_symbols.h"
#include "tests/support/fake_proc.h"

// With a name that no compiler changes.
extern "C" __attribute__((noinline, visibility("default"))) int pilotlight_known_function(int n);
extern "C" int pilotlight_known_function(int n) {
  __asm__ volatile("" : "+r"(n));
  return n * 3;
}

namespace pilotlight::agent {
namespace {

using ::testing::SizeIs;

// A frame with its strings, so that frames of several tries compare.
struct NamedFrame {
  std::string function;
  std::string file;
  std::string mapping;
  uint32_t line = 0;
  FrameKind kind = FrameKind::kUnknown;
  bool inlined = false;
  bool symbolized = false;

  friend bool operator==(const NamedFrame&, const NamedFrame&) = default;
};

class CachingSymbolizerTest : public ::testing::Test {
 protected:
  CachingSymbolizerTest() {
    table_.OnProcess(::getpid());
    self_ = table_.Find(::getpid());
  }

  static std::vector<NamedFrame> Names(const StackTrie& trie, const std::vector<FrameId>& ids) {
    std::vector<NamedFrame> frames;
    for (const FrameId id : ids) {
      const FrameView view = trie.view(id);
      frames.push_back({.function = std::string(view.function),
                        .file = std::string(view.file),
                        .mapping = std::string(view.mapping),
                        .line = view.line,
                        .kind = view.kind,
                        .inlined = view.inlined,
                        .symbolized = view.symbolized});
    }
    return frames;
  }
  std::vector<NamedFrame> User(CachingSymbolizer& symbolizer, const Process& process, uint64_t address,
                               bool is_return_address = false) {
    std::vector<FrameId> ids;
    symbolizer.SymbolizeUser(process, address, is_return_address, trie_, ids);
    return Names(trie_, ids);
  }
  std::vector<NamedFrame> Kernel(CachingSymbolizer& symbolizer, uint64_t address) {
    std::vector<FrameId> ids;
    symbolizer.SymbolizeKernel(address, /*is_return_address=*/false, trie_, ids);
    return Names(trie_, ids);
  }

  // As if this process, or an earlier one of its number, had the whole of `path` mapped at kBase.
  static constexpr uint64_t kBase = 0x10000000;
  static Process MapFile(const std::string& path, uint64_t start_ticks = 1) {
    struct stat status;
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    Process process;
    process.pid = ::getpid();
    process.start_ticks = start_ticks;
    process.maps = ProcessMaps::Parse(
        absl::StrCat(absl::Hex(kBase), "-", absl::Hex(kBase + static_cast<uint64_t>(status.st_size) + 4096),
                     " r-xp 00000000 ", absl::Hex(major(status.st_dev)), ":", absl::Hex(minor(status.st_dev)),
                     " ", status.st_ino, " ", path, "\n"));
    EXPECT_THAT(process.maps.mappings(), SizeIs(1));
    return process;
  }
  static uint64_t OffsetOf(const std::string& path, const std::string& function) {
    const auto elf = ElfFile::FromFd(*OpenReadOnly(path));
    EXPECT_TRUE(elf.ok()) << elf.status();
    if (const auto go = GoSymbols::Create(**elf); go.ok()) {
      for (uint32_t i = 0; i < (*go)->function_count(); ++i) {
        const auto found = (*go)->FunctionAt(i);
        if (found->name == function) return *(*elf)->VaddrToOffset(found->entry);
      }
    }
    const auto symbols = ElfSymbols::Create(**elf);
    for (const ElfSegment& segment : (*elf)->segments()) {
      if (!segment.executable || !symbols.ok()) continue;
      for (uint64_t vaddr = segment.vaddr; vaddr < segment.vaddr + segment.file_size; ++vaddr) {
        const auto symbol = (*symbols)->Find(vaddr);
        if (symbol.has_value() && symbol->name == function) return *(*elf)->VaddrToOffset(vaddr);
      }
    }
    ADD_FAILURE() << path << " has no " << function;
    return 0;
  }

  ProcessTable table_;
  std::shared_ptr<const Process> self_;
  StackTrie trie_;
  const std::string native_ = PILOTLIGHT_NATIVE;
  const std::string stripped_ = PILOTLIGHT_NATIVE_STRIPPED;
  const std::string go_ = PILOTLIGHT_GO_PROGRAM;
};

TEST_F(CachingSymbolizerTest, NamesAFunctionOfARunningProcess) {
  CachingSymbolizer symbolizer;
  const auto address = reinterpret_cast<uint64_t>(&pilotlight_known_function);
  const auto frames = User(symbolizer, *self_, address);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, "pilotlight_known_function");
  EXPECT_EQ(frames[0].mapping, "symbolize_test");
  EXPECT_EQ(frames[0].kind, FrameKind::kNative);
  EXPECT_TRUE(frames[0].symbolized);
  EXPECT_FALSE(frames[0].inlined);
}

TEST_F(CachingSymbolizerTest, AReturnAddressBelongsToTheCallBeforeIt) {
  CachingSymbolizer symbolizer;
  const auto entry = reinterpret_cast<uint64_t>(&pilotlight_known_function);
  EXPECT_NE(User(symbolizer, *self_, entry, /*is_return_address=*/true)[0].function,
            "pilotlight_known_function");
  EXPECT_EQ(User(symbolizer, *self_, entry + 1, /*is_return_address=*/true)[0].function,
            "pilotlight_known_function");
}

TEST_F(CachingSymbolizerTest, NamesGoFunctionsOfAStrippedProgramWithFileAndLine) {
  CachingSymbolizer symbolizer;
  const auto frames = User(symbolizer, MapFile(go_), kBase + OffsetOf(go_, "runtime.mcall"));
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, "runtime.mcall");
  EXPECT_EQ(frames[0].kind, FrameKind::kGo);
  EXPECT_TRUE(absl::EndsWith(frames[0].file, "runtime/asm_amd64.s")) << frames[0].file;
  EXPECT_GT(frames[0].line, 0);
  EXPECT_TRUE(frames[0].symbolized);
}

TEST_F(CachingSymbolizerTest, ExpandsInlinedCalls) {
  CachingSymbolizer symbolizer;
  const Process process = MapFile(go_);
  const uint64_t main = OffsetOf(go_, "net/http.(*conn).serve");
  bool seen = false;
  for (uint64_t offset = 0; offset < 4000 && !seen; offset += 3) {
    const auto frames = User(symbolizer, process, kBase + main + offset);
    if (frames.size() < 2) continue;
    seen = true;
    for (size_t i = 0; i + 1 < frames.size(); ++i) EXPECT_TRUE(frames[i].inlined);
    EXPECT_FALSE(frames.back().inlined);
    EXPECT_EQ(frames.back().function, "net/http.(*conn).serve");
  }
  EXPECT_TRUE(seen);
}

// Somewhere in the function that the others are inlined into.
std::vector<uint64_t> OffsetsOfTrade(uint64_t entry) {
  std::vector<uint64_t> offsets(200);
  for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = entry + 4 * i;
  return offsets;
}

TEST_F(CachingSymbolizerTest, ExpandsInlinedCallsOfDebugInformation) {
  CachingSymbolizer symbolizer({.binaries = {.debug_info_bytes = 16 << 20}});
  const uint64_t entry = OffsetOf(PILOTLIGHT_INLINED, "_ZN4shop5TradeEi");
  for (const char* const path : {PILOTLIGHT_INLINED, PILOTLIGHT_INLINED_STRIPPED}) {
    const Process process = MapFile(path);
    size_t inlined = 0;
    for (const uint64_t offset : OffsetsOfTrade(entry)) {
      const auto frames = User(symbolizer, process, kBase + offset);
      EXPECT_EQ(frames.back().function, "shop::Trade(int)");
      EXPECT_TRUE(absl::EndsWith(frames.back().file, "/inlined.cc"));
      EXPECT_GT(frames.back().line, 0u);
      EXPECT_FALSE(frames.back().inlined);
      for (size_t i = 0; i + 1 < frames.size(); ++i) EXPECT_TRUE(frames[i].inlined) << frames[i].function;
      inlined += frames.size() - 1;
    }
    EXPECT_GT(inlined, 100u) << path;
  }
}

TEST_F(CachingSymbolizerTest, LeavesDebugInformationAloneThatIsTooLarge) {
  CachingSymbolizer symbolizer({.binaries = {.debug_info_bytes = 1000}});
  const uint64_t entry = OffsetOf(PILOTLIGHT_INLINED, "_ZN4shop5TradeEi");
  for (const uint64_t offset : OffsetsOfTrade(entry)) {
    const auto frames = User(symbolizer, MapFile(PILOTLIGHT_INLINED), kBase + offset);
    ASSERT_THAT(frames, SizeIs(1));
    EXPECT_EQ(frames[0].function, "shop::Trade(int)");
    EXPECT_EQ(frames[0].line, 0u);
  }
}

TEST_F(CachingSymbolizerTest, ClosesDebugInformationAfterEachWindow) {
  CachingSymbolizer symbolizer({.binaries = {.debug_info_bytes = 16 << 20}});
  const uint64_t entry = OffsetOf(PILOTLIGHT_INLINED, "_ZN4shop5TradeEi");
  User(symbolizer, MapFile(PILOTLIGHT_INLINED), kBase + entry);
  const size_t open = symbolizer.stats().cached_bytes;
  symbolizer.EndWindow();
  EXPECT_LT(symbolizer.stats().cached_bytes + 100'000, open);
  EXPECT_GT(User(symbolizer, MapFile(PILOTLIGHT_INLINED), kBase + entry + 1)[0].line, 0u);
}

TEST_F(CachingSymbolizerTest, NamesTheVdso) {
  const auto base = static_cast<uint64_t>(::getauxval(AT_SYSINFO_EHDR));
  if (base == 0) GTEST_SKIP() << "no vDSO here";
  const auto* mapping = self_->maps.Find(base);
  ASSERT_NE(mapping, nullptr);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): getauxval() gives addresses as integers.
  const std::string image(reinterpret_cast<const char*>(base), mapping->end - mapping->start);
  const auto elf = ElfFile::FromBytes(image);
  ASSERT_TRUE(elf.ok());
  CachingSymbolizer symbolizer;
  size_t named = 0;
  const auto symbols = ElfSymbols::Create(**elf);
  ASSERT_TRUE(symbols.ok());
  for (uint64_t offset = 0; offset < image.size(); offset += 64) {
    const auto symbol = (*symbols)->Find(offset);
    if (!symbol.has_value()) continue;
    const auto frames = User(symbolizer, *self_, base + offset);
    EXPECT_EQ(frames[0].function, symbol->name);
    EXPECT_EQ(frames[0].mapping, "[vdso]");
    ++named;
  }
  EXPECT_GT(named, 0);
}

TEST_F(CachingSymbolizerTest, WhatHasNoNameBecomesFileAndAddress) {
  CachingSymbolizer symbolizer;
  const auto elf = ElfFile::FromFd(*OpenReadOnly(stripped_));
  const uint64_t vaddr = (*elf)->FindSection(".init")->vaddr;
  const auto frames = User(symbolizer, MapFile(stripped_), kBase + *(*elf)->VaddrToOffset(vaddr));
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, absl::StrCat("symbols_native_stripped+0x", absl::Hex(vaddr)));
  EXPECT_FALSE(frames[0].symbolized);
  EXPECT_EQ(symbolizer.stats().unnamed_no_symbol, 1);
}

TEST_F(CachingSymbolizerTest, WhatIsNotMappedIsUnknown) {
  CachingSymbolizer symbolizer;
  const auto frames = User(symbolizer, *self_, 0x10);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, "[unknown]");
  EXPECT_FALSE(frames[0].symbolized);
  User(symbolizer, *self_, 0);
  User(symbolizer, *self_, UINT64_MAX);
  EXPECT_EQ(symbolizer.stats().unnamed_no_mapping, 3);
}

TEST_F(CachingSymbolizerTest, CodeWithoutAFileIsOfAJitCompiler) {
  void* code = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(code, MAP_FAILED);
  const auto maps = ProcessMaps::Read(::getpid());
  ASSERT_TRUE(maps.ok());
  Process process = *self_;
  process.maps = *maps;
  CachingSymbolizer symbolizer;
  EXPECT_EQ(User(symbolizer, process, reinterpret_cast<uint64_t>(code) + 8)[0].function, "[jit]");
  EXPECT_EQ(symbolizer.stats().unnamed_anonymous, 1);
  ::munmap(code, 4096);
}

TEST_F(CachingSymbolizerTest, AnswersAgainFromItsCacheForAnyTrieAndProcess) {
  CachingSymbolizer symbolizer;
  const uint64_t address = kBase + OffsetOf(go_, "main.main");
  const auto first = User(symbolizer, MapFile(go_, 1), address);
  EXPECT_EQ(symbolizer.stats().address_misses, 1);
  StackTrie other;
  other.InternString("so that the numbers differ");
  std::vector<FrameId> ids;
  symbolizer.SymbolizeUser(MapFile(go_, 2), address, /*is_return_address=*/false, other, ids);
  EXPECT_EQ(Names(other, ids), first);
  // A trie in the place of one that is gone is another one.
  other = StackTrie();
  ids.clear();
  symbolizer.SymbolizeUser(MapFile(go_, 2), address, /*is_return_address=*/false, other, ids);
  EXPECT_EQ(Names(other, ids), first);
  EXPECT_EQ(symbolizer.stats().address_misses, 1);
  EXPECT_EQ(symbolizer.stats().address_hits, 2);
  EXPECT_EQ(symbolizer.stats().binaries_parsed, 1);
}

TEST_F(CachingSymbolizerTest, ParsesCopiesOfABinaryOnce) {
  TemporaryDirectory directory;
  const std::string copy = directory.path() + "/copy";
  std::filesystem::copy_file(native_, copy);
  CachingSymbolizer symbolizer;
  const uint64_t offset = OffsetOf(native_, "plain_function");
  EXPECT_EQ(User(symbolizer, MapFile(native_), kBase + offset)[0].function, "plain_function");
  EXPECT_EQ(User(symbolizer, MapFile(copy), kBase + offset)[0].function, "plain_function");
  EXPECT_EQ(symbolizer.stats().binaries_parsed, 1);
  EXPECT_EQ(symbolizer.stats().binaries_shared, 1);
  // The stripped copy has the same build ID, but is another file.
  EXPECT_EQ(User(symbolizer, MapFile(stripped_), kBase + offset)[0].mapping, "symbols_native_stripped");
}

TEST_F(CachingSymbolizerTest, ForgetsTheLeastRecentlyUsedBinaryAndReadsItAgain) {
  CachingSymbolizer symbolizer({.binaries = {.open_files = 1}});
  const uint64_t native = OffsetOf(native_, "plain_function");
  const uint64_t go = OffsetOf(go_, "main.main");
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(User(symbolizer, MapFile(native_), kBase + native + i)[0].function, "plain_function");
    EXPECT_EQ(User(symbolizer, MapFile(go_), kBase + go + i)[0].function, "main.main");
    EXPECT_EQ(symbolizer.stats().cached_binaries, 1);
  }
  EXPECT_EQ(symbolizer.stats().binaries_parsed, 6);
  EXPECT_EQ(symbolizer.stats().binaries_evicted, 5);
}

TEST_F(CachingSymbolizerTest, StartsOverWhenAllNumbersOfBinariesAreGiven) {
  CachingSymbolizer symbolizer({.binaries = {.known_binaries = 2}});
  const uint64_t native = OffsetOf(native_, "plain_function");
  const uint64_t go = OffsetOf(go_, "main.main");
  for (uint64_t process = 1; process < 4; ++process) {
    EXPECT_EQ(User(symbolizer, MapFile(native_, process), kBase + native)[0].function, "plain_function");
    EXPECT_EQ(User(symbolizer, MapFile(go_, process), kBase + go)[0].function, "main.main");
    EXPECT_FALSE(User(symbolizer, MapFile(stripped_, process), kBase + native + 4096)[0].function.empty());
  }
}

TEST_F(CachingSymbolizerTest, EmptiesTheCacheOfAddressesWhenItIsFull) {
  CachingSymbolizer symbolizer({.max_addresses = 10});
  const Process process = MapFile(go_);
  const uint64_t main = OffsetOf(go_, "main.main");
  for (uint64_t i = 0; i < 25; ++i) {
    EXPECT_EQ(User(symbolizer, process, kBase + main + i).back().function, "main.main");
    EXPECT_LE(symbolizer.stats().cached_addresses, 10);
  }
  EXPECT_EQ(symbolizer.stats().address_resets, 2);
}

TEST_F(CachingSymbolizerTest, AFileThatIsNotElfHasAddressesOnlyAndIsReadOnce) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/library.jar";
  ASSERT_TRUE(WriteFileDurably(path, "not an ELF file").ok());
  CachingSymbolizer symbolizer;
  const auto frames = User(symbolizer, MapFile(path), kBase + 0x12);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, "library.jar+0x12");
  EXPECT_EQ(frames[0].mapping, "library.jar");
  User(symbolizer, MapFile(path), kBase + 0x13);
  User(symbolizer, MapFile(path, 2), kBase + 0x14);
  EXPECT_EQ(symbolizer.stats().not_elf, 1);
  EXPECT_EQ(symbolizer.stats().unnamed_no_file, 3);
}

TEST_F(CachingSymbolizerTest, AFileThatIsGoneIsNamedIfAnotherProcessHadItMapped) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/tool";
  std::filesystem::copy_file(native_, path);
  CachingSymbolizer symbolizer;
  const uint64_t offset = OffsetOf(native_, "plain_function");
  const Process first = MapFile(path, 1);
  const Process second = MapFile(path, 2);
  EXPECT_EQ(User(symbolizer, first, kBase + offset)[0].function, "plain_function");
  std::filesystem::remove(path);
  EXPECT_EQ(User(symbolizer, second, kBase + offset + 1)[0].function, "plain_function");
  EXPECT_EQ(symbolizer.stats().open_vanished, 1);
}

TEST_F(CachingSymbolizerTest, AFileThatIsGoneHasAddressesOnly) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/tool";
  std::filesystem::copy_file(native_, path);
  const Process process = MapFile(path);
  std::filesystem::remove(path);
  CachingSymbolizer symbolizer;
  const auto frames = User(symbolizer, process, kBase + 0x1234);
  EXPECT_EQ(frames[0].function, "tool+0x1234");
  EXPECT_FALSE(frames[0].symbolized);
  EXPECT_EQ(symbolizer.stats().open_vanished, 1);
}

TEST_F(CachingSymbolizerTest, NamesKernelFunctions) {
  FakeProc proc;
  std::ofstream(proc.root() + "/kallsyms")
      << "ffffffff81001000 T do_read\nffffffffc0300000 t tun_recv\t[tun]\n";
  CachingSymbolizer symbolizer({.proc_root = proc.root()});
  const auto frames = Kernel(symbolizer, 0xffffffff81001010);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, "do_read");
  EXPECT_EQ(frames[0].mapping, "[kernel]");
  EXPECT_EQ(frames[0].kind, FrameKind::kKernel);
  EXPECT_TRUE(frames[0].symbolized);
  EXPECT_EQ(Kernel(symbolizer, 0xffffffffc0300010)[0].mapping, "[tun]");
  EXPECT_TRUE(symbolizer.kernel_status().ok());
}

TEST_F(CachingSymbolizerTest, SaysWhyKernelFramesHaveNoNames) {
  FakeProc proc;
  std::ofstream(proc.root() + "/kallsyms") << "0000000000000000 T do_read\n";
  CachingSymbolizer symbolizer({.proc_root = proc.root()});
  const auto frames = Kernel(symbolizer, 0xffffffff81001010);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].function, "[kernel]");
  EXPECT_EQ(frames[0].kind, FrameKind::kKernel);
  EXPECT_FALSE(frames[0].symbolized);
  EXPECT_EQ(symbolizer.kernel_status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(symbolizer.stats().unnamed_kernel, 1);
}

TEST_F(CachingSymbolizerTest, ReadsTheKernelsSymbolsAgainWhenSomeHadNoName) {
  FakeProc proc;
  const std::string path = proc.root() + "/kallsyms";
  std::ofstream(path) << "ffffffff81001000 T do_read\n";
  CachingSymbolizer symbolizer({.proc_root = proc.root(), .kernel_windows = 2});
  constexpr uint64_t kModule = 0xffffffffc0300010;
  EXPECT_EQ(Kernel(symbolizer, 0xffffffff81001010)[0].function, "do_read");
  EXPECT_EQ(Kernel(symbolizer, kModule)[0].function, "[kernel]");
  std::ofstream(path) << "ffffffff81001000 T do_read\nffffffffc0300000 t tun_recv\t[tun]\n";
  symbolizer.EndWindow();
  EXPECT_EQ(Kernel(symbolizer, kModule)[0].function, "[kernel]");
  symbolizer.EndWindow();
  EXPECT_EQ(Kernel(symbolizer, kModule)[0].function, "tun_recv");
}

TEST_F(CachingSymbolizerTest, ClosesABinaryThatHasNotBeenUsedForSomeWindows) {
  CachingSymbolizer symbolizer({.binaries = {.idle_windows = 2}});
  const Process process = MapFile(go_);
  const uint64_t main = kBase + OffsetOf(go_, "main.main");
  EXPECT_EQ(User(symbolizer, process, main).back().function, "main.main");
  for (int window = 0; window < 4; ++window) {
    EXPECT_EQ(symbolizer.stats().cached_binaries, window < 3 ? 1 : 0);
    symbolizer.EndWindow();
  }
  EXPECT_EQ(symbolizer.stats().binaries_closed, 1);
  EXPECT_EQ(User(symbolizer, process, main).back().function, "main.main");
  EXPECT_EQ(symbolizer.stats().cached_binaries, 0) << "the address was known";
  EXPECT_EQ(User(symbolizer, process, main + 1).back().function, "main.main");
  EXPECT_EQ(symbolizer.stats().cached_binaries, 1);
}

TEST_F(CachingSymbolizerTest, StaysSmall) {
  CachingSymbolizer symbolizer;
  const Process process = MapFile(go_);
  std::vector<FrameId> ids;
  for (uint64_t i = 0; i < 200000; ++i) {
    ids.clear();
    symbolizer.SymbolizeUser(process, kBase + 0x1000 + i * 8, /*is_return_address=*/false, trie_, ids);
    ASSERT_FALSE(ids.empty());
  }
  EXPECT_LT(symbolizer.stats().cached_bytes, size_t{16} << 20);
}

}  // namespace
}  // namespace pilotlight::agent
