// Which schema an OTLP request is of. Private to its reader.
//
// All call themselves v1development, and only requests of late have a version. What tells is which wire types
// the fields have:
//            current (1.10 to 1.11)   previous (1.9)           older ones
//   Sample   2 attributes, packed     2 values, packed         2 a number
//            3 link, a number         3 attributes, packed
//            4 values, packed         4 link, a number
//   Profile  the same in both                                  other wire types, or fields after 11
//   request  with a dictionary                                 without one
// One of 1.8 without a profile id, comments and temporality is the same as one of 1.9, and read so.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight::otlp {

inline constexpr absl::string_view kNotOtlp = "not OTLP profiles";

enum class Schema { kCurrent, kPrevious };

// InvalidArgument when it is another one, which the message tells, or when the bytes are damaged. Samples
// with as many times as they have numbers in field 2, and nothing else, could be of both; when all are such,
// it is the current one: for events of value 1 that is the same.
absl::StatusOr<Schema> DetectSchema(absl::string_view request);

// InvalidArgument that names the schemas which are taken; `what` tells that it is another one.
absl::Status OtherSchema(absl::string_view what);

}  // namespace pilotlight::otlp
