// What `record` says at its end: how much there is, how good it is, what is missing and why.
#pragma once

#include <string>

#include "cli/recorder.h"

namespace pilotlight::cli {

struct RecordReportOptions {
  std::string out;          // file; empty for standard output
  std::string source;       // "ebpf", "perf", "pprof", "off_cpu"
  std::string passed_over;  // why a better source was not taken
  bool has_head = false;    // what was written says itself how much there is: only say what is missing
};

// One line, and one for each thing that is missing; each ends with a newline. Empty when all has been said.
std::string RecordReport(const Recording& recording, const RecordReportOptions& options);

}  // namespace pilotlight::cli
