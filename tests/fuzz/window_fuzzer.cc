// Windows as they come in on a stream: the same message twice, the second time on top of the names of the
// first.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "pilotlight/v1/profile.pb.h"
#include "profile/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pilotlight::v1::Window message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  pilotlight::WindowDecoder decoder({.max_dictionary_bytes = 1 << 20, .max_depth = 64});
  for (int i = 0; i < 2; ++i) {
    const auto window = decoder.Decode(message);
    if (!window.ok()) return 0;
    for (const pilotlight::Series& series : window->series) {
      for (const pilotlight::Sample& sample : series.samples) {
        CHECK(window->trie.Stack(sample.node).size() <= 64);
      }
    }
  }
  return 0;
}
