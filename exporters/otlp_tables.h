// The dictionary of one OTLP request, checked and compact. Private to its reader.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "exporters/pprof_tables.h"
#include "google/protobuf/repeated_field.h"

namespace pilotlight::otlp {

using Indices = google::protobuf::RepeatedField<int32_t>;

// Views into the bytes that it was parsed from.
class Tables {
 public:
  // `dictionary`: the pieces that the request has it in. InvalidArgument, OutOfRange.
  static absl::StatusOr<Tables> Parse(const std::vector<absl::string_view>& dictionary,
                                      const PprofLimits& limits);

  // Without a heading and ids.
  const pprof::Tables& frames() const { return frames_; }
  // InvalidArgument when there is none. What has index 0 may be left out and is empty then.
  absl::StatusOr<absl::string_view> String(int32_t index) const;
  absl::StatusOr<absl::Span<const uint32_t>> Stack(int32_t index) const;  // locations, the innermost first
  absl::Status CheckAttributes(const Indices& indices) const;

 private:
  friend class TablesParser;

  pprof::Tables frames_;
  std::vector<FrameKind> attributes_;  // what each says of a location
  std::vector<uint32_t> stacks_;       // the locations of all
  std::vector<uint32_t> stack_ends_;
};

}  // namespace pilotlight::otlp
