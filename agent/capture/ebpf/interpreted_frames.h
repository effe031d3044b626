// The frames of one window that are no addresses: functions of interpreted languages, and what is said in
// their place.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/capture/capture_source.h"

namespace pilotlight::agent {

// Words are as in RawStack::user. Not thread-safe.
class InterpretedFrames {
 public:
  uint64_t Add(InterpretedFrame frame) {
    frames_.push_back(std::move(frame));
    return kInterpretedFrame | (frames_.size() - 1);
  }

  // Of a text in brackets, which is no function; the same word for the same text.
  uint64_t Note(const std::string& text) {
    const auto [word, is_new] = notes_.try_emplace(text);
    if (is_new) word->second = Add({.function = text, .kind = FrameKind::kSynthetic, .symbolized = true});
    return word->second;
  }

  // Begins anew.
  std::vector<InterpretedFrame> Take() {
    notes_.clear();
    return std::exchange(frames_, {});
  }

 private:
  std::vector<InterpretedFrame> frames_;
  absl::flat_hash_map<std::string, uint64_t> notes_;
};

}  // namespace pilotlight::agent
