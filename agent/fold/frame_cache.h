// The frames of each address of one address space, named once per window.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/types/span.h"
#include "profile/stack_trie.h"

namespace pilotlight::agent {

struct AddressFrames {
  absl::Span<const FrameId> frames;  // the innermost inlined function first; valid until the next call
  uint32_t unsymbolized = 0;         // of `frames`
  bool is_root = false;              // has no caller: IsRootFunction()
  bool is_switch = false;            // IsStackSwitch()
  bool is_trampoline = false;        // IsPythonTrampoline()
};

// Goes over to the stack of g0: its callers are known only where they were joined.
inline bool IsStackSwitch(const FrameView& frame) {
  return frame.kind == FrameKind::kGo &&
         (frame.function == "runtime.mcall" || frame.function == "runtime.morestack");
}

// What Python calls a function through with -X perf, with that function's name.
inline bool IsPythonTrampoline(const FrameView& frame) {
  return frame.mapping == "[jit]" && absl::StartsWith(frame.function, "py::");
}

// Where a Go stack begins: a goroutine's, a thread's, the program's. What the frame pointer of a thread's
// first function holds is what its creator left in the register, so a walk goes on into remains of another
// stack.
inline bool IsRootFunction(const FrameView& frame) {
  return frame.kind == FrameKind::kGo &&
         (frame.function == "runtime.goexit" || frame.function == "runtime.mstart" ||
          frame.function == "runtime.rt0_go");
}

// Bounded by the distinct addresses of one capture, whose stacks the source bounds.
class FrameCache {
 public:
  // `symbolize(address, is_return_address, frames)` appends at least one frame of `trie`.
  template <typename Symbolize>
  AddressFrames Find(uint64_t address, bool is_return_address, const StackTrie& trie, Symbolize&& symbolize);

  // `is_frameless(address)` is asked once for each address.
  template <typename IsFrameless>
  bool FindFrameless(uint64_t address, IsFrameless&& is_frameless) {
    const auto [known, is_new] = frameless_.try_emplace(address);
    if (is_new) known->second = is_frameless(address);
    return known->second;
  }

  // One of the frames found so far is of this kind.
  bool Holds(FrameKind kind, const StackTrie& trie) const {
    return std::any_of(frames_.begin(), frames_.end(),
                       [&](FrameId id) { return trie.view(id).kind == kind; });
  }

 private:
  struct Entry {
    uint32_t begin = 0;
    uint32_t size = 0;
    uint32_t unsymbolized = 0;
    bool is_root = false;
    bool is_switch = false;
    bool is_trampoline = false;
  };
  absl::flat_hash_map<uint64_t, Entry> entries_;
  std::vector<FrameId> frames_;
  absl::flat_hash_map<uint64_t, bool> frameless_;
};

template <typename Symbolize>
AddressFrames FrameCache::Find(uint64_t address, bool is_return_address, const StackTrie& trie,
                               Symbolize&& symbolize) {
  // The top bit is the same for all addresses of one space, so the shift loses nothing.
  const uint64_t key = address << 1 | (is_return_address ? 1 : 0);
  const auto [it, is_new] = entries_.try_emplace(key);
  if (is_new) {
    const size_t begin = frames_.size();
    symbolize(address, is_return_address, frames_);
    Entry& entry = it->second;
    entry.begin = static_cast<uint32_t>(begin);
    entry.size = static_cast<uint32_t>(frames_.size() - begin);
    for (size_t i = begin; i < frames_.size(); ++i) {
      if (!trie.frame(frames_[i]).symbolized) ++entry.unsymbolized;
    }
    const FrameView outermost = trie.view(frames_.back());
    entry.is_root = IsRootFunction(outermost);
    entry.is_switch = IsStackSwitch(outermost);
    entry.is_trampoline = IsPythonTrampoline(outermost);
  }
  const Entry& entry = it->second;
  return {absl::MakeConstSpan(frames_).subspan(entry.begin, entry.size), entry.unsymbolized, entry.is_root,
          entry.is_switch, entry.is_trampoline};
}

}  // namespace pilotlight::agent
