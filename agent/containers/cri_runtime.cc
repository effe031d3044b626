#include "agent/containers/cri_runtime.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/containers/runtime_socket.h"
#include "base/status_macros.h"
#include "cri/runtime/v1/runtime.grpc.pb.h"

namespace pilotlight::agent {
namespace {

namespace cri = ::runtime::v1;

// The error of whoever listens there.
absl::Status ToStatus(const std::string& socket, const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()),
          absl::StrCat(socket, ": ", status.error_message())};
}

// The questions of one look-up, which end by one deadline.
class Questions {
 public:
  // `socket` is borrowed, for errors.
  Questions(const std::string& socket, const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout)
      : socket_(socket),
        runtime_(channel),
        deadline_(std::chrono::system_clock::now() +
                  std::chrono::microseconds(absl::ToInt64Microseconds(timeout))) {}

  // Without an item when there is none.
  absl::StatusOr<cri::ListContainersResponse> ListContainers(const std::string& id) {
    cri::ListContainersRequest request;
    request.mutable_filter()->set_id(id);
    return Ask<cri::ListContainersResponse>(&cri::RuntimeService::Stub::ListContainers, request);
  }
  absl::StatusOr<cri::ListPodSandboxResponse> ListPodSandbox(const std::string& id) {
    cri::ListPodSandboxRequest request;
    request.mutable_filter()->set_id(id);
    return Ask<cri::ListPodSandboxResponse>(&cri::RuntimeService::Stub::ListPodSandbox, request);
  }
  absl::StatusOr<cri::ContainerStatusResponse> ContainerStatus(const std::string& id) {
    cri::ContainerStatusRequest request;
    request.set_container_id(id);
    return Ask<cri::ContainerStatusResponse>(&cri::RuntimeService::Stub::ContainerStatus, request);
  }

 private:
  template <typename Response, typename Method, typename Request>
  absl::StatusOr<Response> Ask(Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(deadline_);
    Response response;
    const grpc::Status status = (runtime_.*method)(&context, request, &response);
    if (!status.ok()) return ToStatus(socket_, status);
    return response;
  }

  const std::string& socket_;
  cri::RuntimeService::Stub runtime_;
  const std::chrono::system_clock::time_point deadline_;
};

Pod PodOf(const cri::PodSandbox& sandbox) {
  Pod pod{.name = sandbox.metadata().name(),
          .namespace_name = sandbox.metadata().namespace_(),
          .uid = sandbox.metadata().uid(),
          .labels = {sandbox.labels().begin(), sandbox.labels().end()},
          .annotations = {}};
  for (const auto& [name, value] : sandbox.annotations()) {
    if (value.size() <= kMaxAnnotationBytes) pod.annotations[name] = value;
  }
  // The kubelet's own, which say the same again.
  for (const char* own : {"io.kubernetes.pod.name", "io.kubernetes.pod.namespace", "io.kubernetes.pod.uid",
                          "io.kubernetes.container.name"}) {
    pod.labels.erase(own);
  }
  return pod;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> CriRuntime::Connect() {
  const auto socket = std::ranges::find_if(sockets_, IsSocket);
  if (socket == sockets_.end()) {
    return absl::FailedPreconditionError(absl::StrCat("no socket at ", absl::StrJoin(sockets_, ", ")));
  }
  if (socket_ != *socket) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 10'000);
    arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, 60'000);
    channel_ = grpc::CreateCustomChannel(absl::StrCat("unix://", *socket), grpc::InsecureChannelCredentials(),
                                         arguments);
    socket_ = *socket;
  }
  return channel_;
}

absl::StatusOr<Container> CriRuntime::Find(const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, Connect());
  Questions questions(socket_, channel, timeout_);
  ASSIGN_OR_RETURN(const cri::ListContainersResponse found, questions.ListContainers(id));
  Container container;
  std::string sandbox_id = id;  // of a pod without the container: its own process
  if (!found.containers().empty()) {
    const cri::Container& one = found.containers(0);
    container.name = one.metadata().name();
    sandbox_id = one.pod_sandbox_id();
    container.image = one.image().user_specified_image();
    if (container.image.empty()) {
      ASSIGN_OR_RETURN(const cri::ContainerStatusResponse status, questions.ContainerStatus(id));
      container.image = status.status().image().image();
    }
  }
  ASSIGN_OR_RETURN(const cri::ListPodSandboxResponse sandboxes, questions.ListPodSandbox(sandbox_id));
  if (!sandboxes.items().empty()) {
    container.pod = PodOf(sandboxes.items(0));
  } else if (found.containers().empty()) {
    return absl::NotFoundError(absl::StrCat(socket_, ": no container ", id));
  }
  return container;
}

}  // namespace pilotlight::agent
