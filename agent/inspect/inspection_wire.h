// An inspection as a message (proto/pilotlight/v1/command.proto).
#pragma once

#include "agent/inspect/inspection.h"
#include "pilotlight/v1/command.pb.h"

namespace pilotlight::agent {

// Leaves out programs past the protocol's limit.
v1::NodeInspection EncodeInspection(const Inspection& inspection);
// Every message has a meaning; what this program does not know is "unknown".
Inspection DecodeInspection(const v1::NodeInspection& message);

}  // namespace pilotlight::agent
