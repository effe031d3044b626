// Who asks.
#pragma once

#include <string>

#include "base/tenant_name.h"
#include "collector/store/read_limits.h"

namespace pilotlight::collector {

struct Caller {
  std::string tenant = std::string(kAnonymousTenant);
  IsAbandoned is_abandoned;
};

}  // namespace pilotlight::collector
