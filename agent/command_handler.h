// Does what the collector's users want of this agent.
#pragma once

#include <functional>

#include "agent/inspect/inspector.h"
#include "agent/trigger/capture_requests.h"
#include "agent/uplink/uplink.h"

namespace pilotlight::agent {

class CommandHandler {
 public:
  // Both are borrowed.
  CommandHandler(CaptureRequests& captures, ProcessLabeller& labeller)
      : captures_(captures), inspector_([&labeller] { return InspectAll(&labeller); }) {}

  void Handle(const v1::Command& command, CommandDone done);

 private:
  CaptureRequests& captures_;
  Inspector inspector_;
};

}  // namespace pilotlight::agent
