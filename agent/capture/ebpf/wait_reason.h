// Why a thread was blocked, as a profile says it.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// `wait`: PL_WAIT_… of agent/capture/bpf/abi.h. "[lock]", "[disk]", …, of docs/reference.md; empty for a
// thread that was not blocked.
absl::string_view WaitReason(uint32_t wait);

}  // namespace pilotlight::agent
