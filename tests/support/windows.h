// Windows for tests of what carries them.
#pragma once

#include <string>

#include "tests/support/stacks.h"

namespace pilotlight {

// Can be told apart by `tag`: its only service and its only stack are named after it. Has no identity yet.
inline Window MakeWindow(const std::string& tag) {
  Window window;
  window.start = absl::Now();
  window.duration = absl::Seconds(10);
  window.interval = absl::Seconds(60);
  window.source = "ebpf";
  Series series;
  series.labels = {{std::string(kServiceLabel), tag}};
  series.period = 10101010;
  series.samples = AddSamples(window.trie, {{"main;" + tag, 3}}, series.period);
  window.series.push_back(std::move(series));
  return window;
}

inline std::string TagOf(const Window& window) {
  return window.series.size() == 1 ? window.series[0].labels.at(std::string(kServiceLabel)) : "";
}

}  // namespace pilotlight
