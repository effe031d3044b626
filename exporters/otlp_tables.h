// The dictionary of one OTLP request, checked and compact. Private to its reader.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "exporters/pprof_tables.h"
#include "google/protobuf/repeated_field.h"

namespace pilotlight::otlp {

using Indices = google::protobuf::RepeatedField<int32_t>;

// Views into the bytes that it was parsed from, and into itself.
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

  struct Attribute {
    absl::string_view key;
    absl::string_view text;  // empty unless its value is one
  };
  // Empty for index 0 when there are none. REQUIRES: CheckAttributes() took the index.
  Attribute attribute(int32_t index) const {
    return attributes_.empty() ? Attribute{} : attributes_[static_cast<size_t>(index)];
  }

 private:
  friend class TablesParser;

  pprof::Tables frames_;
  std::vector<Attribute> attributes_;
  std::deque<std::string> texts_;  // of attributes that have them in themselves
  std::vector<uint32_t> stacks_;   // the locations of all
  std::vector<uint32_t> stack_ends_;
};

}  // namespace pilotlight::otlp
