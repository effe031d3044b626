#include "agent/inspect/inspection_wire.h"

#include <algorithm>
#include <string>

#include "exporters/utf8.h"

namespace pilotlight::agent {
namespace {

using v1::ProgramInspection;

constexpr size_t kMaxPrograms = 500;

ProgramInspection::NameCoverage Encode(NameCoverage names) {
  switch (names) {
    case NameCoverage::kAll:
      return ProgramInspection::ALL;
    case NameCoverage::kExported:
      return ProgramInspection::EXPORTED;
    case NameCoverage::kNone:
      return ProgramInspection::NONE;
    case NameCoverage::kUnreadable:
      return ProgramInspection::UNREADABLE;
  }
  return ProgramInspection::UNREADABLE;
}

NameCoverage Decode(ProgramInspection::NameCoverage names) {
  switch (names) {
    case ProgramInspection::ALL:
      return NameCoverage::kAll;
    case ProgramInspection::EXPORTED:
      return NameCoverage::kExported;
    case ProgramInspection::NONE:
      return NameCoverage::kNone;
    default:
      return NameCoverage::kUnreadable;
  }
}

ProgramInspection::FramePointers Encode(FramePointers frame_pointers) {
  switch (frame_pointers) {
    case FramePointers::kAll:
      return ProgramInspection::FRAME_POINTERS_ALL;
    case FramePointers::kSome:
      return ProgramInspection::FRAME_POINTERS_SOME;
    case FramePointers::kNone:
      return ProgramInspection::FRAME_POINTERS_NONE;
    case FramePointers::kNotNeeded:
      return ProgramInspection::FRAME_POINTERS_NOT_NEEDED;
    case FramePointers::kUnknown:
      return ProgramInspection::FRAME_POINTERS_UNKNOWN;
  }
  return ProgramInspection::FRAME_POINTERS_UNKNOWN;
}

FramePointers Decode(ProgramInspection::FramePointers frame_pointers) {
  switch (frame_pointers) {
    case ProgramInspection::FRAME_POINTERS_ALL:
      return FramePointers::kAll;
    case ProgramInspection::FRAME_POINTERS_SOME:
      return FramePointers::kSome;
    case ProgramInspection::FRAME_POINTERS_NONE:
      return FramePointers::kNone;
    case ProgramInspection::FRAME_POINTERS_NOT_NEEDED:
      return FramePointers::kNotNeeded;
    default:
      return FramePointers::kUnknown;
  }
}

// Never empty for an error.
std::string Trouble(const absl::Status& status) {
  if (status.ok()) return "";
  return status.message().empty() ? "it does not work" : ToValidUtf8(status.message());
}

absl::Status FromTrouble(const std::string& trouble) {
  return trouble.empty() ? absl::OkStatus() : absl::UnknownError(trouble);
}

void Encode(const ProgramReport& program, ProgramInspection& message) {
  const ProcessReport& process = program.process;
  message.set_processes(program.processes);
  message.set_cpu_time_ns(absl::ToInt64Nanoseconds(program.cpu_time));
  message.set_pid(process.pid);
  message.set_service(ToValidUtf8(process.service));
  message.set_executable(ToValidUtf8(process.executable));
  message.set_runtime(ToValidUtf8(process.runtime));
  message.set_names(Encode(process.names));
  message.set_frame_pointers(Encode(process.frame_pointers));
  message.set_stripped(process.stripped);
  message.set_pprof(process.pprof);
  for (const std::string& advice : process.advice) message.add_advice(ToValidUtf8(advice));
}

ProgramReport Decode(const ProgramInspection& message) {
  ProgramReport program;
  program.processes = message.processes();
  program.cpu_time = absl::Nanoseconds(message.cpu_time_ns());
  program.process = {.pid = message.pid(),
                     .service = message.service(),
                     .executable = message.executable(),
                     .runtime = message.runtime(),
                     .names = Decode(message.names()),
                     .frame_pointers = Decode(message.frame_pointers()),
                     .stripped = message.stripped(),
                     .pprof = message.pprof(),
                     .cpu_time = program.cpu_time,
                     .advice = {message.advice().begin(), message.advice().end()}};
  return program;
}

}  // namespace

v1::NodeInspection EncodeInspection(const Inspection& inspection) {
  const NodeReport& node = inspection.node;
  v1::NodeInspection message;
  message.set_kernel(node.kernel);
  for (const SourceReport& source : node.sources) {
    v1::SourceStatus& status = *message.add_sources();
    status.set_name(source.name);
    status.set_trouble(Trouble(source.status));
  }
  for (const RightReport& right : node.rights) {
    v1::Right& encoded = *message.add_rights();
    encoded.set_capability(right.capability);
    encoded.set_present(right.present);
    encoded.set_purpose(right.purpose);
  }
  message.set_kernel_symbols_missing(Trouble(node.kernel_symbols));
  const size_t programs = std::min(inspection.programs.size(), kMaxPrograms);
  for (size_t i = 0; i < programs; ++i) Encode(inspection.programs[i], *message.add_programs());
  return message;
}

Inspection DecodeInspection(const v1::NodeInspection& message) {
  Inspection inspection;
  NodeReport& node = inspection.node;
  node.kernel = message.kernel();
  for (const v1::SourceStatus& source : message.sources()) {
    node.sources.push_back({.name = source.name(), .status = FromTrouble(source.trouble())});
  }
  for (const v1::Right& right : message.rights()) {
    node.rights.push_back(
        {.capability = right.capability(), .present = right.present(), .purpose = right.purpose()});
  }
  node.kernel_symbols = FromTrouble(message.kernel_symbols_missing());
  for (const ProgramInspection& program : message.programs()) {
    inspection.programs.push_back(Decode(program));
  }
  return inspection;
}

}  // namespace pilotlight::agent
