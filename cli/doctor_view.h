// How `pilotlight doctor` looks.
#pragma once

#include <cstddef>
#include <string>

#include "agent/inspect/inspection.h"

namespace pilotlight::cli {

// For people: what works on the node, then the programs, each with what to do. `width` 0: no limit.
std::string DoctorText(const agent::Inspection& inspection, size_t limit, size_t width, bool colour);

// {"kernel", "sources": [{"name", "works", "reason"}], "rights": [{"capability", "present", "purpose"}],
//  "kernel_symbols": true or the reason why not,
//  "programs": [{"service", "executable", "pid", "processes", "cpu_seconds", "runtime",
//                "names": "all" | "exported" | "none" | "unreadable", "stripped",
//                "frame_pointers": "all" | "some" | "none" | "unknown",
//                "pprof": "HOST:PORT" or "", "advice": […]}]}
std::string DoctorJson(const agent::Inspection& inspection);

}  // namespace pilotlight::cli
