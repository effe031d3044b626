// Profiles for the tests of the exporters.
#pragma once

#include <cstdint>
#include <vector>

#include "profile/profile.h"

namespace pilotlight {

// Adds a sample; `stack` has the outermost caller first.
inline void AddStack(Profile& profile, const std::vector<FrameView>& stack, uint64_t count, int64_t value) {
  NodeId node = StackTrie::kRoot;
  for (const FrameView& frame : stack) node = profile.trie.Child(node, profile.trie.InternFrame(frame));
  profile.samples.push_back({.node = node, .count = count, .value = value});
}

inline FrameView GoFrame(absl::string_view function, uint32_t line, bool inlined = false) {
  return {.function = function,
          .file = "/src/app/main.go",
          .mapping = "/usr/bin/app",
          .line = line,
          .start_line = line - line % 10,
          .kind = FrameKind::kGo,
          .inlined = inlined,
          .symbolized = true};
}

// 30 samples of 10 ms with Go frames (one of them inlined), a kernel frame and an unnamed native one.
inline Profile CpuProfile() {
  Profile profile;
  profile.period = 10'000'000;
  profile.start = absl::FromUnixSeconds(1'700'000'000);
  profile.duration = absl::Seconds(10);
  profile.labels = {{"service_name", "checkout"}};
  AddStack(profile, {GoFrame("main.main", 10), GoFrame("main.Sum[go.shape.struct { A int; B int }]", 20)}, 10,
           100'000'000);
  AddStack(profile, {GoFrame("main.main", 10), GoFrame("main.outer", 31), GoFrame("main.inner", 41, true)},
           12, 120'000'000);
  AddStack(profile,
           {GoFrame("main.main", 11),
            {.function = "ksys_read", .mapping = "[kernel]", .kind = FrameKind::kKernel, .symbolized = true}},
           5, 50'000'000);
  AddStack(profile,
           {{.function = "libc.so.6+0x1234", .mapping = "/lib/libc.so.6", .kind = FrameKind::kNative}}, 3,
           30'000'000);
  return profile;
}

}  // namespace pilotlight
