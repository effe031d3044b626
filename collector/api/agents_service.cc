#include "collector/api/agents_service.h"

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "pilotlight/v1/agents.grpc.pb.h"

namespace pilotlight::collector {
namespace {

constexpr absl::Duration kLongestCapture = absl::Minutes(1);

class AgentsService final : public v1::Agents::Service {
 public:
  explicit AgentsService(IngestService& ingest) : ingest_(ingest) {}

  grpc::Status List(grpc::ServerContext* /*call*/, const v1::ListAgentsRequest* /*request*/,
                    v1::ListAgentsResponse* response) override {
    for (const ConnectedAgent& agent : ingest_.agents()) {
      v1::Agent& message = *response->add_agents();
      message.set_agent(agent.agent);
      message.set_version(agent.version);
      message.set_node(agent.node);
      message.set_connected_unix_ns(absl::ToUnixNanos(agent.since));
    }
    return grpc::Status::OK;
  }

  grpc::Status Capture(grpc::ServerContext* /*call*/, const v1::CaptureRequest* request,
                       v1::CaptureResponse* response) override {
    const absl::Duration duration = absl::Nanoseconds(request->duration_ns());
    if (duration < absl::ZeroDuration() || duration > kLongestCapture) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              absl::StrCat("a capture of ", absl::FormatDuration(duration), ": it must be from 0s to ",
                           absl::FormatDuration(kLongestCapture))};
    }
    const size_t asked = ingest_.RequestCapture(request->node(), duration);
    if (asked == 0) {
      return {grpc::StatusCode::NOT_FOUND,
              absl::StrCat("no agent of node \"", request->node(), "\" among the ", ingest_.agents().size(),
                           " that are connected; pilotlight agents lists them")};
    }
    response->set_agents(static_cast<uint32_t>(asked));
    return grpc::Status::OK;
  }

 private:
  IngestService& ingest_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAgentsService(IngestService& ingest) {
  return std::make_unique<AgentsService>(ingest);
}

}  // namespace pilotlight::collector
