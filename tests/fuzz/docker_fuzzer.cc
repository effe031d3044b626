// What Docker answers is a container, or refused.
#include <cstddef>
#include <cstdint>

#include "agent/containers/docker_runtime.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pilotlight::agent::ParseDockerContainers({reinterpret_cast<const char*>(data), size}).IgnoreError();
  return 0;
}
