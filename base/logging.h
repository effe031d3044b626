// Sets up spdlog, which the code calls directly: spdlog::info("…", …).
#pragma once

#include "base/flags.h"

namespace pilotlight {

// Logs to standard error: `ts=… level=… msg="…"`, or JSON.
void SetUpLogging(const LoggingFlags& flags);

}  // namespace pilotlight
