// Who was refused for want of a certificate, a password or a token.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace prometheus {
class Registry;
class Counter;
template <typename T>
class Family;
}  // namespace prometheus

namespace pilotlight {

// Thread-safe.
class RefusalMetrics {
 public:
  explicit RefusalMetrics(prometheus::Registry& registry);

  // `protocol` is "http" or "grpc"; `reason` one of a few words.
  void Refused(absl::string_view protocol, absl::string_view reason) { Refused(protocol, reason, 1); }
  void Refused(absl::string_view protocol, absl::string_view reason, double times);

 private:
  prometheus::Family<prometheus::Counter>& refused_;
};

}  // namespace pilotlight
