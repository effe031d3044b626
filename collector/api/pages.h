// The pages that people read in a browser: plain HTML, no script.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "collector/query/query_engine.h"

namespace pilotlight::collector {

// One row of the index.
struct ServiceRow {
  std::string service;
  uint64_t samples = 0;
  double cpu_seconds = 0;  // estimated for the whole span
};

struct IndexPage {
  std::string host;  // by which the reader came here
  TimeSpan span;
  absl::string_view span_name;       // "1h"
  std::vector<ServiceRow> services;  // the largest first
};

// The spans that the index offers, as they stand in its address.
const std::vector<std::string>& IndexSpans();

std::string RenderIndex(const IndexPage& page);
std::string RenderTop(const TopAnswer& answer, const SelectionText& text, const TimeSpan& span);

}  // namespace pilotlight::collector
