#include "base/refusal_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

namespace pilotlight {

RefusalMetrics::RefusalMetrics(prometheus::Registry& registry)
    : refused_(
          prometheus::BuildCounter()
              .Name("pilotlight_auth_refused_total")
              .Help("Connections and requests that were refused for want of a certificate, a password or a "
                    "token, by protocol and reason.")
              .Register(registry)) {
  // So that a rate does not miss the first one.
  Refused("http", "tls", 0);
  Refused("http", "password", 0);
}

void RefusalMetrics::Refused(absl::string_view protocol, absl::string_view reason, double times) {
  refused_.Add({{"protocol", std::string(protocol)}, {"reason", std::string(reason)}}).Increment(times);
}

}  // namespace pilotlight
