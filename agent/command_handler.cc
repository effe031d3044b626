#include "agent/command_handler.h"

#include <utility>

#include "agent/inspect/inspection_wire.h"
#include "pilotlight/v1/command.pb.h"

namespace pilotlight::agent {
namespace {

v1::CommandResult Failure(const absl::Status& status) {
  v1::CommandResult result;
  result.set_code(static_cast<int32_t>(status.code()));
  result.set_message(std::string(status.message()));
  return result;
}

v1::CommandResult ResultOf(const absl::StatusOr<CapturedWindow>& window) {
  if (!window.ok()) return Failure(window.status());
  v1::CommandResult result;
  v1::ExtraCapture& capture = *result.mutable_capture();
  capture.set_start_unix_ns(absl::ToUnixNanos(window->start));
  capture.set_duration_ns(absl::ToInt64Nanoseconds(window->duration));
  capture.set_samples(window->samples);
  return result;
}

}  // namespace

void CommandHandler::Handle(const v1::Command& command, CommandDone done) {
  switch (command.command_case()) {
    case v1::Command::kCapture:
      captures_.Request(
          absl::Nanoseconds(command.capture().duration_ns()),
          [done = std::move(done)](const absl::StatusOr<CapturedWindow>& window) { done(ResultOf(window)); });
      return;
    case v1::Command::kInspect:
      inspector_.Inspect([done = std::move(done)](const Inspection& inspection) {
        v1::CommandResult result;
        *result.mutable_inspection() = EncodeInspection(inspection);
        done(std::move(result));
      });
      return;
    case v1::Command::COMMAND_NOT_SET:
      break;
  }
  done(Failure(absl::UnimplementedError("the agent is too old for this")));
}

}  // namespace pilotlight::agent
