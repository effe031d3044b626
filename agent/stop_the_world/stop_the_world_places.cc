#include "agent/stop_the_world/stop_the_world_places.h"

#include <elf.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/stop_the_world/bpf/stop_the_world_abi.h"
#include "objfile/go_symbols.h"

namespace pilotlight::agent {
namespace {

// What startTheWorldWithSema is told, since when.
constexpr int kToldWhenItWasToStop = 22;
constexpr int kToldWhenItHadStopped = 23;
constexpr uint64_t kMaxFunctionBytes = 1 << 16;

constexpr absl::string_view kStop = "runtime.stopTheWorldWithSema";
constexpr absl::string_view kSweepTermination = "runtime.finishsweep_m";
constexpr absl::string_view kMarkTermination = "runtime.gcMarkTermination";
constexpr absl::string_view kStart = "runtime.startTheWorldWithSema";
constexpr absl::string_view kAfterStart = "runtime.wakep";
constexpr absl::string_view kFunctions[] = {kStop, kSweepTermination, kMarkTermination, kStart, kAfterStart};

using Functions = absl::flat_hash_map<std::string, GoSymbols::Function>;

Functions FindFunctions(const GoSymbols& go) {
  Functions functions;
  for (uint32_t i = 0; i < go.function_count() && functions.size() < std::size(kFunctions); ++i) {
    std::optional<GoSymbols::Function> function = go.FunctionAt(i);
    if (!function.has_value()) continue;
    for (const absl::string_view wanted : kFunctions) {
      if (function->name == wanted) functions.try_emplace(function->name, *function);
    }
  }
  return functions;
}

// Where `caller` calls `callee`: "call rel32". A byte within another instruction that looks so, with just
// this distance behind it, is not to be expected.
std::optional<uint64_t> FindCall(const ElfFile& elf, const GoSymbols::Function& caller,
                                 const GoSymbols::Function& callee) {
  constexpr char kCall = '\xe8';
  constexpr size_t kCallBytes = 5;
  if (caller.end - caller.entry > kMaxFunctionBytes) return std::nullopt;
  std::string code(caller.end - caller.entry, '\0');
  if (!elf.ReadAt(caller.entry, code.data(), code.size())) return std::nullopt;
  for (size_t at = 0; at + kCallBytes <= code.size(); ++at) {
    int32_t distance = 0;
    std::memcpy(&distance, code.data() + at + 1, sizeof(distance));
    if (code[at] == kCall &&
        caller.entry + at + kCallBytes + static_cast<uint64_t>(int64_t{distance}) == callee.entry) {
      return caller.entry + at;
    }
  }
  return std::nullopt;
}

// In Go's prologue "cmp 0x10(%r14), %rsp; jbe", which looks for room on the stack: the branch, where the
// arguments are as at the entry. The kernel executes a branch itself, but steps the target through a cmp,
// which costs some 10 us (arch/x86/kernel/uprobes.c). The entry, if it does not begin so.
uint64_t ProbedEntry(const ElfFile& elf, const GoSymbols::Function& function) {
  constexpr absl::string_view kCompare = "\x49\x3b\x66\x10";
  constexpr absl::string_view kNearBranch = "\x76";
  constexpr absl::string_view kFarBranch = "\x0f\x86";
  char code[6];
  if (!elf.ReadAt(function.entry, code, sizeof(code))) return function.entry;
  absl::string_view rest(code, sizeof(code));
  if (!absl::ConsumePrefix(&rest, kCompare)) return function.entry;
  if (!absl::StartsWith(rest, kNearBranch) && !absl::StartsWith(rest, kFarBranch)) return function.entry;
  return function.entry + kCompare.size();
}

}  // namespace

std::vector<StopTheWorldPlace> FindStopTheWorldPlaces(const ElfFile& elf) {
  if (elf.machine() != EM_X86_64) return {};
  const absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(elf);
  if (!go.ok()) return {};
  if (!(*go)->has_known_runtime()) return {};
  const int version = (*go)->go_minor_version();
  const Functions functions = FindFunctions(**go);
  if (functions.size() < std::size(kFunctions)) return {};
  const std::optional<uint64_t> started = FindCall(elf, functions.at(kStart), functions.at(kAfterStart));
  if (!started.has_value()) return {};

  std::vector<StopTheWorldPlace> places;
  bool all_in_file = true;
  const auto add = [&](uint64_t vaddr, uint64_t place) {
    const std::optional<uint64_t> offset = elf.VaddrToOffset(vaddr);
    all_in_file = all_in_file && offset.has_value();
    if (offset.has_value()) places.push_back({*offset, place});
  };
  const auto add_entry = [&](absl::string_view function, uint64_t place) {
    add(ProbedEntry(elf, functions.at(function)), place);
  };
  if (version < kToldWhenItWasToStop) add_entry(kStop, PL_WORLD_STOPS);
  if (version < kToldWhenItHadStopped) {
    add_entry(kSweepTermination, PL_WORLD_STOPPED);
    add_entry(kMarkTermination, PL_WORLD_STOPPED);
  }
  if (version >= kToldWhenItWasToStop) {
    add_entry(kStart, version < kToldWhenItHadStopped ? PL_WORLD_STARTS_SINCE : PL_WORLD_STARTS);
  }
  add(*started, PL_WORLD_STARTED);
  if (!all_in_file) places.clear();
  return places;
}

}  // namespace pilotlight::agent
