// Does what the collector's users want of this agent.
#pragma once

#include <functional>

#include "agent/inspect/inspector.h"
#include "agent/trigger/capture_requests.h"
#include "agent/uplink/uplink.h"

namespace pilotlight::agent {

class CommandHandler {
 public:
  // Borrowed.
  explicit CommandHandler(CaptureRequests& captures) : captures_(captures) {}

  void Handle(const v1::Command& command, CommandDone done);

 private:
  CaptureRequests& captures_;
  Inspector inspector_;
};

}  // namespace pilotlight::agent
