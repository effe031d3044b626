#include "agent/stop_the_world/stop_the_world_places.h"

#include <elf.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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
  if (version < kToldWhenItWasToStop) add(functions.at(kStop).entry, PL_WORLD_STOPS);
  if (version < kToldWhenItHadStopped) {
    add(functions.at(kSweepTermination).entry, PL_WORLD_STOPPED);
    add(functions.at(kMarkTermination).entry, PL_WORLD_STOPPED);
  }
  if (version >= kToldWhenItWasToStop) {
    add(functions.at(kStart).entry,
        version < kToldWhenItHadStopped ? PL_WORLD_STARTS_SINCE : PL_WORLD_STARTS);
  }
  add(*started, PL_WORLD_STARTED);
  if (!all_in_file) places.clear();
  return places;
}

}  // namespace pilotlight::agent
