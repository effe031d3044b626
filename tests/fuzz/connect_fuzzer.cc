// Whatever is posted to a method is answered by a message or by a Connect error.
#include <google/protobuf/stubs/logging.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "collector/api/connect.h"
#include "collector/api/querier_methods.h"
#include "collector/api/query_methods.h"
#include "nlohmann/json.hpp"
#include "tests/support/memory_store.h"
#include "tests/support/windows.h"

namespace {

using namespace pilotlight;             // NOLINT(google-build-using-namespace)
using namespace pilotlight::collector;  // NOLINT(google-build-using-namespace)

class Server {
 public:
  Server() {
    Window window = MakeWindow("shop");
    window.agent = "agent";
    window.boot = "boot";
    window.sequence = 1;
    window.start = clock_.Now() - absl::Minutes(1);
    CHECK(store_.Append(window).ok());
    for (auto& [name, method] : QueryTable(query_)) methods_.push_back(std::move(method));
    for (auto& [name, method] : QuerierTable(querier_, metrics_)) methods_.push_back(std::move(method));
    google::protobuf::SetLogHandler(nullptr);
  }

  const std::vector<ConnectMethod>& methods() const { return methods_; }

 private:
  ManualClock clock_{absl::FromUnixSeconds(1'714'564'800)};
  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  QueryEngine engine_{stores_, clock_};
  prometheus::Registry registry_;
  QueryMetrics metrics_{registry_};
  QueryMethods query_{engine_, metrics_};
  QuerierMethods querier_{engine_};
  std::vector<ConnectMethod> methods_;
};

}  // namespace

// The first byte chooses the method, the second the codec; the rest is the body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Server& server = *new Server();
  if (size < 2 || size > 10'000) return 0;
  const ConnectMethod& method = server.methods()[data[0] % server.methods().size()];
  HttpRequest request;
  request.headers["content-type"] = data[1] % 2 == 0 ? "application/proto" : "application/json";
  request.body.assign(reinterpret_cast<const char*>(data + 2), size - 2);
  const HttpResponse response = AnswerConnect(method, request, "anonymous");
  if (response.status == 200) {
    CHECK(response.content_type == request.headers["content-type"]);
    return 0;
  }
  const auto error = nlohmann::json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  CHECK(error.is_object() && error.value("code", "") != "" && error.contains("message"));
  CHECK(error.value("code", "") != "internal" && error.value("code", "") != "unknown");
  return 0;
}
