// The fields of a protobuf message, one after the other, where parsing it whole would let a small hostile
// message take much memory. Private to the readers of pprof and of OTLP.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pilotlight {

enum class WireType { kVarint, kFixed64, kBytes, kOther };

struct WireField {
  int number = 0;
  WireType type = WireType::kOther;
  uint64_t value = 0;       // of a varint or fixed64
  absl::string_view bytes;  // of a string, message or packed numbers

  bool is_varint() const { return type == WireType::kVarint; }
  bool is_bytes() const { return type == WireType::kBytes; }
};

// InvalidArgument; `what` comes first in the message.
absl::Status Damaged(absl::string_view what);

// Calls `visit` with each field, in order; stops at its first error. Damaged(`what`) when the bytes are no
// message. REQUIRES: bytes.size() ≤ INT_MAX.
absl::Status VisitFields(absl::string_view bytes, absl::string_view what,
                         absl::FunctionRef<absl::Status(const WireField&)> visit);

}  // namespace pilotlight
