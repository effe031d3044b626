// What naming an address costs, and reading a binary. `go tool addr2line` and llvm-symbolizer answer the same
// addresses in the same run, as far as they are installed.
#include <benchmark/benchmark.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/symbolize/binary.h"
#include "agent/symbolize/caching_symbolizer.h"
#include "agent/symbolize/kernel_symbols.h"
#include "base/check.h"
#include "base/file.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kBase = 0x10000000;
constexpr char kGoProgram[] = PILOTLIGHT_GO_PROGRAM;
constexpr char kLibrary[] = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";

// As if this process had the whole of `path` mapped at kBase.
Process MapFile(const std::string& path) {
  struct stat status;
  CHECK(::stat(path.c_str(), &status) == 0);
  Process process;
  process.pid = ::getpid();
  process.maps = ProcessMaps::Parse(
      absl::StrCat(absl::Hex(kBase), "-", absl::Hex(kBase + static_cast<uint64_t>(status.st_size) + 4096),
                   " r-xp 00000000 ", absl::Hex(major(status.st_dev)), ":", absl::Hex(minor(status.st_dev)),
                   " ", status.st_ino, " ", path, "\n"));
  return process;
}

std::unique_ptr<ElfFile> Open(const std::string& path, std::shared_ptr<BlockCache> cache = nullptr) {
  auto fd = OpenReadOnly(path);
  CHECK(fd.ok());
  auto elf = ElfFile::FromFd(*std::move(fd), std::move(cache));
  CHECK(elf.ok());
  return *std::move(elf);
}

// Addresses that have a name, spread over the text, in an order that no cache likes.
std::vector<uint64_t> NamedAddresses(const std::string& path, size_t count) {
  Binary binary(Open(path));
  const ElfSection* text = binary.elf().FindSection(".text");
  CHECK(text != nullptr);
  std::vector<uint64_t> addresses;
  uint64_t state = 1;
  while (addresses.size() < count) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const uint64_t vaddr = text->vaddr + (state >> 33) % text->size;
    std::vector<SourceFrame> frames;
    binary.Lookup(vaddr, frames);
    if (!frames.empty()) addresses.push_back(vaddr);
  }
  return addresses;
}

void BM_CachedAddress(benchmark::State& state, const std::string& path) {
  CachingSymbolizer symbolizer;
  const Process process = MapFile(path);
  const auto elf = Open(path);
  std::vector<uint64_t> addresses = NamedAddresses(path, 4096);
  for (uint64_t& address : addresses) address = kBase + *elf->VaddrToOffset(address);
  StackTrie trie;
  std::vector<FrameId> frames;
  for (const uint64_t address : addresses) symbolizer.SymbolizeUser(process, address, false, trie, frames);
  size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    frames.clear();
    symbolizer.SymbolizeUser(process, addresses[i], /*is_return_address=*/false, trie, frames);
    benchmark::DoNotOptimize(frames.data());
    i = (i + 1) % addresses.size();
  }
  state.counters["cache_bytes"] = static_cast<double>(symbolizer.stats().cached_bytes);
}

void LookUpInTurn(benchmark::State& state, Binary& binary, const std::vector<uint64_t>& addresses) {
  std::vector<SourceFrame> frames;
  size_t i = 0;
  size_t found = 0;
  for ([[maybe_unused]] auto _ : state) {
    frames.clear();
    binary.Lookup(addresses[i], frames);
    found += frames.size();
    i = (i + 1) % addresses.size();
  }
  state.counters["frames_per_address"] = static_cast<double>(found) / static_cast<double>(state.iterations());
}

void BM_UncachedAddress(benchmark::State& state, const std::string& path) {
  const std::vector<uint64_t> addresses = NamedAddresses(path, 4096);
  Binary binary(Open(path, std::make_shared<BlockCache>(/*slots=*/128)));
  LookUpInTurn(state, binary, addresses);
}

void BM_Load(benchmark::State& state, const std::string& path) {
  const uint64_t address = NamedAddresses(path, 1)[0];
  size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) {
    Binary binary(Open(path, std::make_shared<BlockCache>(/*slots=*/128)));
    std::vector<SourceFrame> frames;
    binary.Lookup(address, frames);  // reads the symbol table too, where there is one
    bytes = binary.byte_size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}

// A binary with debug information: that of $PILOTLIGHT_DEBUG_BINARY, when it is set.
std::string DebugBinary() {
  const char* const path = std::getenv("PILOTLIGHT_DEBUG_BINARY");
  return path == nullptr ? PILOTLIGHT_INLINED : path;
}

void BM_OpenDebugInformation(benchmark::State& state) {
  Binary binary(Open(DebugBinary()));
  for ([[maybe_unused]] auto _ : state) {
    binary.OpenDebugInfo();
    CHECK(binary.has_debug_info());
    binary.CloseDebugInfo();
  }
  state.counters["section_bytes"] = static_cast<double>(binary.debug_info_bytes());
}

// Of the functions in the order of their addresses, as a profile has few places of many.
void BM_UncachedAddressByDebugInformation(benchmark::State& state) {
  std::vector<uint64_t> addresses = NamedAddresses(DebugBinary(), 4096);
  std::ranges::sort(addresses);
  Binary binary(Open(DebugBinary(), std::make_shared<BlockCache>(/*slots=*/128)));
  binary.OpenDebugInfo();
  CHECK(binary.has_debug_info());
  LookUpInTurn(state, binary, addresses);
}

void BM_LoadKernelSymbols(benchmark::State& state) {
  size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) {
    const auto symbols = KernelSymbols::Read();
    if (!symbols.ok()) return state.SkipWithError("kallsyms cannot be read");
    bytes = symbols->byte_size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}

// One process start and 4096 addresses; its start is most of what few addresses would cost.
void BM_OtherTool(benchmark::State& state, const std::string& command, const std::string& path) {
  constexpr size_t kAddresses = 4096;
  TemporaryDirectory directory;
  std::string input;
  for (const uint64_t address : NamedAddresses(path, kAddresses))
    absl::StrAppend(&input, "0x", absl::Hex(address), "\n");
  CHECK(WriteFileDurably(directory.path() + "/addresses", input).ok());
  const std::string line =
      absl::StrCat(command, " ", path, " < ", directory.path(), "/addresses > /dev/null 2>&1");
  for ([[maybe_unused]] auto _ : state) {
    const auto before = std::chrono::steady_clock::now();
    if (std::system(line.c_str()) != 0) return state.SkipWithError("not installed");
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - before;
    state.SetIterationTime(taken.count() / kAddresses);
  }
}

BENCHMARK_CAPTURE(BM_CachedAddress, go, kGoProgram);
BENCHMARK_CAPTURE(BM_CachedAddress, library, kLibrary);
BENCHMARK_CAPTURE(BM_UncachedAddress, go, kGoProgram);
BENCHMARK_CAPTURE(BM_UncachedAddress, library, kLibrary);
BENCHMARK_CAPTURE(BM_Load, go, kGoProgram);
BENCHMARK_CAPTURE(BM_Load, library, kLibrary);
BENCHMARK(BM_OpenDebugInformation)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_UncachedAddressByDebugInformation)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_LoadKernelSymbols)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_OtherTool, go_addr2line, PILOTLIGHT_GO " tool addr2line", kGoProgram)
    ->UseManualTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(BM_OtherTool, llvm_symbolizer, "llvm-symbolizer-14 -i -e", kLibrary)
    ->UseManualTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(BM_OtherTool, gnu_addr2line, "addr2line -fiC -e", kLibrary)->UseManualTime()->Iterations(3);

}  // namespace
}  // namespace pilotlight::agent
