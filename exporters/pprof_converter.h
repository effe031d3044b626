// Samples to profiles, the same for pprof and for OTLP. Private to their readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "exporters/pprof.h"
#include "exporters/pprof_tables.h"
#include "profile/profile.h"

namespace pilotlight::pprof {

// What counts against max_frames and max_nodes, over all the converters of one message.
struct Usage {
  size_t frames = 0;
  size_t nodes = 0;
};

// How many events a value stands for that none counts: periods when it has the period's type, else one.
uint64_t EventsOf(int64_t value, int64_t period, bool of_period_type);

// Makes one profile of each column of `heading`, or of a pair of them (exporters/pprof.h).
class Converter {
 public:
  // All but `heading` must outlive it.
  Converter(const Tables& tables, const Heading& heading, const PprofLimits& limits, Usage& usage);

  // `locations` are indices in the tables, the innermost first; `values` one for each column; `part` from 0.
  absl::Status Add(absl::Span<const uint32_t> locations, absl::Span<const int64_t> values, uint32_t part = 0);
  // Once only. The parts of each are by number, without labels; empty ones are there, too.
  std::vector<LabelledProfile> Finish();

 private:
  // A location of a stack, outermost first, and what leads to it.
  struct Step {
    uint32_t location = 0;
    NodeId node = StackTrie::kRoot;  // of its innermost line
    uint32_t frames = 0;             // up to here
    uint32_t unsymbolized = 0;       // of those
  };

  // One profile to be made, and the columns that it is made from.
  struct Output {
    LabelledProfile made;
    size_t count_column = kNone;  // kNone: it has none
    size_t value_column = 0;
    bool tells_unlocks = false;
    std::vector<FrameId> frames;     // by line; kNone until it is used
    std::vector<StringId> mappings;  // likewise, by mapping: their names
    std::vector<Step> path;          // of the last sample: the next one often begins as it did
    uint64_t total_count = 0;
    uint64_t total_value = 0;
    uint64_t unlock_value = 0;  // of leaves that unlock something
  };

  void PlanOutputs(const Heading& heading);
  // What `locations` lead to: extends `output.path` from where they part from it.
  Step Walk(Output& output, absl::Span<const uint32_t> locations) const;
  // The same for those of more than max_depth lines, of which the innermost stay.
  Step WalkTruncated(Output& output, absl::Span<const uint32_t> locations) const;
  void StepTo(Output& output, uint32_t line_index, Step& step) const;
  bool IsTooDeep(absl::Span<const uint32_t> locations) const;
  absl::Status AddTo(Output& output, absl::Span<const uint32_t> locations, absl::Span<const int64_t> values,
                     uint32_t part);
  static uint64_t CountOf(const Output& output, absl::Span<const int64_t> values);
  FrameId FrameFor(Output& output, uint32_t line_index) const;
  StringId MappingFor(Output& output, uint32_t mapping) const;
  std::string Name(absl::string_view text) const;
  std::string AddressName(const Location& location, const Mapping& mapping) const;
  FrameKind KindOf(absl::string_view function, absl::string_view file, absl::string_view mapping) const;

  const Tables& tables_;
  const PprofLimits& limits_;
  Usage& usage_;
  const size_t columns_;
  std::vector<Output> outputs_;
  size_t most_lines_of_location_ = 1;
};

}  // namespace pilotlight::pprof
