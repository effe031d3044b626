#include "collector/api/agents_service.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "collector/api/status.h"
#include "pilotlight/v1/agents.grpc.pb.h"

namespace pilotlight::collector {
namespace {

constexpr absl::Duration kLongestCapture = absl::Minutes(1);

void TakeFrom(const v1::CommandResult& result, v1::CaptureResponse& response) {
  *response.mutable_capture() = result.capture();
}
void TakeFrom(const v1::CommandResult& result, v1::InspectResponse& response) {
  *response.mutable_inspection() = result.inspection();
}

// A call that waits for an agent without holding a thread. Lives until gRPC's OnDone() and the agent's
// result, whichever comes last.
template <typename Response>
class Call : public grpc::ServerUnaryReactor {
 public:
  // The reactor for gRPC, and what is to be called with the agent's result.
  static std::pair<Call*, CommandDone> Start(Response* response) {
    const auto call = std::make_shared<Call>(response);
    call->self_ = call;
    return {call.get(), [call](const absl::StatusOr<v1::CommandResult>& result) { call->Complete(result); }};
  }

  explicit Call(Response* response) : response_(response) {}

 private:
  void Complete(const absl::StatusOr<v1::CommandResult>& result) {
    {
      const MutexLock lock(mutex_);
      if (finished_) return;
      finished_ = true;
      if (result.ok()) TakeFrom(*result, *response_);
    }
    if (!result.ok()) {
      Finish(ToGrpcStatus(result.status()));
    } else {
      Finish({static_cast<grpc::StatusCode>(result->code()), result->message()});
    }
  }

  void OnCancel() override { Complete(absl::CancelledError()); }
  void OnDone() override { const std::shared_ptr<Call> last = std::move(self_); }

  Response* const response_;
  std::shared_ptr<Call> self_;
  Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class AgentsService final : public v1::Agents::CallbackService {
 public:
  AgentsService(IngestService& ingest, AdmitCall admit) : ingest_(ingest), admit_(std::move(admit)) {}

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call, const v1::ListAgentsRequest* /*request*/,
                                 v1::ListAgentsResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
    const absl::StatusOr<std::string> tenant = admit_("/pilotlight.v1.Agents/List", HeadersOf(*call));
    if (!tenant.ok()) {
      reactor->Finish(ToGrpcStatus(tenant.status()));
      return reactor;
    }
    for (const ConnectedAgent& agent : ingest_.agents(*tenant)) {
      v1::Agent& message = *response->add_agents();
      message.set_agent(agent.agent);
      message.set_version(agent.version);
      message.set_node(agent.node);
      message.set_connected_unix_ns(absl::ToUnixNanos(agent.since));
    }
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* Capture(grpc::CallbackServerContext* call, const v1::CaptureRequest* request,
                                    v1::CaptureResponse* response) override {
    auto [reactor, done] = Call<v1::CaptureResponse>::Start(response);
    const absl::Duration duration = absl::Nanoseconds(request->duration_ns());
    if (duration < absl::ZeroDuration() || duration > kLongestCapture) {
      done(absl::InvalidArgumentError(absl::StrCat("a capture of ", absl::FormatDuration(duration),
                                                   ": it must be from 0s to ",
                                                   absl::FormatDuration(kLongestCapture))));
      return reactor;
    }
    v1::Command command;
    command.mutable_capture()->set_duration_ns(request->duration_ns());
    Ask(*call, request->node(), command, done);
    return reactor;
  }

  grpc::ServerUnaryReactor* Inspect(grpc::CallbackServerContext* call, const v1::InspectRequest* request,
                                    v1::InspectResponse* response) override {
    auto [reactor, done] = Call<v1::InspectResponse>::Start(response);
    v1::Command command;
    command.mutable_inspect();
    Ask(*call, request->node(), command, done);
    return reactor;
  }

 private:
  void Ask(const grpc::CallbackServerContext& call, const std::string& node, const v1::Command& command,
           const CommandDone& done) {
    // The same role for all commands.
    const absl::StatusOr<std::string> tenant = admit_("/pilotlight.v1.Agents/Capture", HeadersOf(call));
    if (!tenant.ok()) return done(tenant.status());
    ingest_.Ask(*tenant, node, command, done);
  }

  IngestService& ingest_;
  const AdmitCall admit_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAgentsService(IngestService& ingest, AdmitCall admit) {
  return std::make_unique<AgentsService>(ingest, std::move(admit));
}

}  // namespace pilotlight::collector
