#include "cli/doctor_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/table.h"
#include "exporters/format.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

using agent::FramePointers;
using agent::NameCoverage;

const char* NameOf(NameCoverage names) {
  switch (names) {
    case NameCoverage::kAll:
      return "all";
    case NameCoverage::kExported:
      return "exported";
    case NameCoverage::kNone:
      return "none";
    case NameCoverage::kUnreadable:
      return "unreadable";
  }
  return "";
}

const char* NameOf(FramePointers frame_pointers) {
  switch (frame_pointers) {
    case FramePointers::kAll:
      return "all";
    case FramePointers::kSome:
      return "some";
    case FramePointers::kNone:
      return "none";
    case FramePointers::kNotNeeded:
      return "not needed";
    case FramePointers::kUnknown:
      return "unknown";
  }
  return "";
}

Style StyleOf(NameCoverage names) { return names == NameCoverage::kAll ? Style::kGreen : Style::kYellow; }
Style StyleOf(FramePointers frame_pointers) {
  const bool good = frame_pointers == FramePointers::kAll || frame_pointers == FramePointers::kNotNeeded;
  return good ? Style::kGreen : Style::kYellow;
}

std::string Mark(bool good, bool colour) {
  return good ? Styled("yes", Style::kGreen, colour) : Styled("NO ", Style::kRed, colour);
}

std::string NodeText(const agent::NodeReport& node, bool colour) {
  std::string text = absl::StrCat(node.kernel, "\n");
  for (const agent::SourceReport& source : node.sources) {
    absl::StrAppend(&text, "  ", Mark(source.status.ok(), colour), "  capture by ", source.name,
                    source.status.ok() ? "" : absl::StrCat(": ", source.status.message()), "\n");
  }
  absl::StrAppend(&text, "  ", Mark(node.kernel_symbols.ok(), colour), "  names of kernel functions",
                  node.kernel_symbols.ok() ? "" : absl::StrCat(": ", node.kernel_symbols.message()), "\n");
  for (const agent::RightReport& right : node.rights) {
    absl::StrAppend(&text, "  ", Mark(right.present, colour), "  ", right.capability, ", for ", right.purpose,
                    "\n");
  }
  return text;
}

}  // namespace

std::string DoctorText(const agent::Inspection& inspection, size_t limit, size_t width, bool colour) {
  const std::vector<agent::ProgramReport>& programs = inspection.programs;
  Table table({{"CPU used", Align::kRight},
               {"pid", Align::kRight},
               {"program", Align::kLeft, /*shrinks=*/true},
               {"runtime", Align::kLeft},
               {"names", Align::kLeft},
               {"frame pointers", Align::kLeft},
               {"pprof", Align::kLeft}});
  const size_t shown = limit == 0 ? programs.size() : std::min(limit, programs.size());
  std::vector<std::string> advice;
  for (size_t i = 0; i < shown; ++i) {
    const agent::ProgramReport& program = programs[i];
    const agent::ProcessReport& process = program.process;
    table.AddRow(
        {{FormatValue(absl::ToInt64Nanoseconds(program.cpu_time), "nanoseconds")},
         {absl::StrCat(process.pid)},
         {program.processes == 1 ? process.service : absl::StrCat(process.service, " ×", program.processes)},
         {process.runtime},
         {NameOf(process.names), StyleOf(process.names)},
         {NameOf(process.frame_pointers), StyleOf(process.frame_pointers)},
         {process.pprof.empty() ? "–" : process.pprof}});
    if (process.advice.empty()) continue;
    advice.push_back(
        absl::StrCat("  ", ToDisplayText(process.service), ": ", absl::StrJoin(process.advice, "; ")));
  }
  std::string text = absl::StrCat(NodeText(inspection.node, colour), "\n", table.Render(width, colour),
                                  MoreText(programs.size() - shown, "programs", colour));
  if (!advice.empty()) absl::StrAppend(&text, "\nWhat would help:\n", absl::StrJoin(advice, "\n"), "\n");
  return text;
}

std::string DoctorJson(const agent::Inspection& inspection) {
  const agent::NodeReport& node = inspection.node;
  nlohmann::json json = {{"kernel", node.kernel},
                         {"sources", nlohmann::json::array()},
                         {"rights", nlohmann::json::array()},
                         {"programs", nlohmann::json::array()}};
  for (const agent::SourceReport& source : node.sources) {
    json["sources"].push_back({{"name", source.name},
                               {"works", source.status.ok()},
                               {"reason", std::string(source.status.message())}});
  }
  for (const agent::RightReport& right : node.rights) {
    json["rights"].push_back(
        {{"capability", right.capability}, {"present", right.present}, {"purpose", right.purpose}});
  }
  if (node.kernel_symbols.ok()) {
    json["kernel_symbols"] = true;
  } else {
    json["kernel_symbols"] = std::string(node.kernel_symbols.message());
  }
  for (const agent::ProgramReport& program : inspection.programs) {
    const agent::ProcessReport& process = program.process;
    json["programs"].push_back({{"service", ToValidUtf8(process.service)},
                                {"executable", ToValidUtf8(process.executable)},
                                {"pid", process.pid},
                                {"processes", program.processes},
                                {"cpu_seconds", absl::ToDoubleSeconds(program.cpu_time)},
                                {"runtime", process.runtime},
                                {"names", NameOf(process.names)},
                                {"stripped", process.stripped},
                                {"frame_pointers", NameOf(process.frame_pointers)},
                                {"pprof", process.pprof},
                                {"advice", process.advice}});
  }
  return json.dump(2) + "\n";
}

}  // namespace pilotlight::cli
