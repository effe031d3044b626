#include "tests/load/cardinality_attack.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "profile/profile.h"
#include "tests/support/collector_client.h"

namespace pilotlight::load {
namespace {

constexpr size_t kStacksOfAWindow = 20'000;
constexpr size_t kSeriesOfAWindow = 5'000;
constexpr size_t kCallers = 16;

Window EmptyWindow(absl::Time start) {
  Window window;
  window.start = start;
  window.duration = absl::Seconds(10);
  window.interval = absl::Minutes(1);
  window.source = "ebpf";
  return window;
}

NodeId AddFunction(StackTrie& trie, NodeId caller, const std::string& function) {
  return trie.Child(
      caller, trie.InternFrame(FrameView{
                  .function = function, .mapping = "[jit]", .kind = FrameKind::kNative, .symbolized = true}));
}

Series& AddSeriesTo(Window& window) {
  Series& series = window.series.emplace_back();
  series.labels = {{std::string(kServiceLabel), kAttackingService}};
  series.period = absl::ToInt64Nanoseconds(absl::Milliseconds(10));
  return series;
}

// Of stacks that no other window has.
Window WindowOfStacks(absl::Time start, size_t first, size_t count) {
  Window window = EmptyWindow(start);
  Series& series = AddSeriesTo(window);
  NodeId caller = StackTrie::kRoot;
  for (size_t i = 0; i < kCallers; ++i) {
    caller = AddFunction(window.trie, caller, absl::StrCat("interpreter_loop_", i));
  }
  for (size_t i = 0; i < count; ++i) {
    const NodeId node = AddFunction(window.trie, caller,
                                    absl::StrCat("jit_0x", absl::Hex(0x7f0000000000 + 64 * (first + i))));
    series.samples.push_back({node, 1, series.period});
  }
  return window;
}

Window WindowOfLabelSets(absl::Time start, size_t first, size_t count) {
  Window window = EmptyWindow(start);
  const NodeId node = AddFunction(window.trie, StackTrie::kRoot, "main");
  for (size_t i = 0; i < count; ++i) {
    Series& series = AddSeriesTo(window);
    series.labels["pod"] = absl::StrCat("attacker-", first + i);
    series.samples.push_back({node, 1, series.period});
  }
  return window;
}

absl::Status SendAndWait(AgentStream& stream, const Window& window, uint64_t sequence) {
  if (stream.Send(window, sequence)) {
    while (const auto response = stream.Receive()) {
      if (response->has_acknowledgement() && response->acknowledgement().sequence() >= sequence) {
        return absl::OkStatus();
      }
      if (response->has_refusal()) return absl::InternalError(response->refusal().reason());
    }
  }
  return absl::UnavailableError(absl::StrCat("the stream ended: ", stream.Finish().error_message()));
}

}  // namespace

absl::Status Attack(int port, const CardinalityAttack& attack) {
  AgentStream stream(port, "attacked-agent");
  stream.SendHello();
  const size_t windows = attack.stacks / kStacksOfAWindow + attack.label_sets / kSeriesOfAWindow;
  const absl::Duration step = attack.length / static_cast<double>(std::max<size_t>(windows, 1));
  uint64_t sequence = 0;
  const auto next_start = [&] { return attack.start + static_cast<double>(sequence) * step; };
  for (size_t sent = 0; sent < attack.stacks; sent += kStacksOfAWindow) {
    const absl::Time start = next_start();
    ++sequence;
    const absl::Status status = SendAndWait(
        stream, WindowOfStacks(start, sent, std::min(kStacksOfAWindow, attack.stacks - sent)), sequence);
    if (!status.ok()) return status;
  }
  for (size_t sent = 0; sent < attack.label_sets; sent += kSeriesOfAWindow) {
    const absl::Time start = next_start();
    ++sequence;
    const absl::Status status = SendAndWait(
        stream, WindowOfLabelSets(start, sent, std::min(kSeriesOfAWindow, attack.label_sets - sent)),
        sequence);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pilotlight::load
