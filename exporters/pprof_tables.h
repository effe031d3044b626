// The tables of one pprof file, checked and compact. Private to the readers of pprof and of OTLP.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exporters/pprof.h"
#include "pprof/profile.pb.h"

namespace pilotlight::pprof {

inline constexpr uint32_t kNone = UINT32_MAX;

struct Mapping {
  uint64_t start = 0;
  uint64_t offset = 0;
  absl::string_view filename;
};

struct Function {
  absl::string_view name;  // "[unknown]" when it has none
  absl::string_view file;
  uint32_t start_line = 0;  // 0 when it has none
};

// A line of the format; 0 for what cannot be one.
uint32_t LineOf(int64_t line);

// One frame of a location.
struct Line {
  uint32_t function = kNone;  // index, or kNone: the location's address has no name
  uint32_t line = 0;
  uint32_t location = 0;  // index
  bool inlined = false;
};

struct Location {
  uint64_t address = 0;
  uint32_t mapping = kNone;              // index
  uint32_t first_line = 0;               // index; the innermost
  uint32_t line_count = 0;               // at least 1
  FrameKind kind = FrameKind::kUnknown;  // where the format tells
};

// Numbers of locations, in the order of the file. Most files count from 1, which needs no table.
class LocationIds {
 public:
  // False: 0, or there already.
  bool Add(uint64_t id);
  // The index; kNone when it is not there.
  uint32_t Find(uint64_t id) const {
    if (others_.empty()) return id - 1 < count_ ? static_cast<uint32_t>(id - 1) : kNone;
    const auto found = others_.find(id);
    return found == others_.end() ? kNone : found->second;
  }

 private:
  uint32_t count_ = 0;
  absl::flat_hash_map<uint64_t, uint32_t> others_;  // of all, once one is not the next
};

struct Column {
  absl::string_view type;  // of a column: "samples" when the file says nothing
  absl::string_view unit;  // of a column: "count" when the file says nothing
};

// What the samples of a profile are.
struct Heading {
  std::vector<Column> columns;
  Column period_type;
  Column default_column;  // only its type is used
  int64_t period = 0;
  int64_t time_nanos = 0;
  int64_t duration_nanos = 0;
};

// All but the samples, which are many: those are read one by one, so a hostile file cannot make a small
// message large in memory. Views into the bytes that it was parsed from.
struct Tables {
  std::vector<absl::string_view> strings;
  std::vector<Mapping> mappings;
  std::vector<Function> functions;
  std::vector<Location> locations;
  std::vector<Line> lines;
  LocationIds location_ids;
  Heading heading;
  bool has_go = false;  // a function's file is a Go file
};

absl::StatusOr<Tables> ParseTables(absl::string_view bytes, const PprofLimits& limits);

// Calls `visit` with each sample, in order; stops at its first error. REQUIRES: ParseTables() took `bytes`.
absl::Status VisitSamples(absl::string_view bytes,
                          const std::function<absl::Status(const perftools::profiles::Sample&)>& visit);

}  // namespace pilotlight::pprof
