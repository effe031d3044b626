#include "agent/containers/container_runtimes.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/containers/cri_runtime.h"
#include "agent/containers/docker_runtime.h"
#include "base/check.h"

namespace pilotlight::agent {
namespace {

int Weight(const absl::Status& status) {
  if (absl::IsFailedPrecondition(status)) return 0;
  return absl::IsNotFound(status) ? 1 : 2;
}

}  // namespace

absl::StatusOr<RuntimeSockets> ParseRuntimeEndpoint(absl::string_view endpoint) {
  if (endpoint.empty()) return RuntimeSockets{};
  if (endpoint == kAutoEndpoint) {
    return RuntimeSockets{.cri = {"/run/containerd/containerd.sock", "/run/crio/crio.sock",
                                  "/run/k3s/containerd/containerd.sock"},
                          .docker = "/run/docker.sock"};
  }
  absl::string_view path = endpoint;
  const bool is_docker = absl::ConsumePrefix(&path, "docker://");
  if (!is_docker) path = absl::StripPrefix(path, "unix://");
  if (!absl::StartsWith(path, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", endpoint, "\" is not auto, a path such as /run/containerd/containerd.sock, with unix:// ",
        "before it or not, nor docker:///run/docker.sock"));
  }
  if (is_docker) return RuntimeSockets{.cri = {}, .docker = std::string(path)};
  return RuntimeSockets{.cri = {std::string(path)}, .docker = ""};
}

absl::StatusOr<Container> ContainerRuntimes::Find(const std::string& id) {
  absl::Status failure;
  for (const std::unique_ptr<ContainerRuntime>& runtime : runtimes_) {
    absl::StatusOr<Container> container = runtime->Find(id);
    if (container.ok()) return container;
    if (failure.ok() || Weight(container.status()) > Weight(failure)) failure = container.status();
  }
  CHECK(!failure.ok());  // there is one to ask
  return failure;
}

std::unique_ptr<ContainerRuntime> MakeContainerRuntime(const RuntimeSockets& sockets) {
  std::vector<std::unique_ptr<ContainerRuntime>> runtimes;
  if (!sockets.cri.empty()) runtimes.push_back(std::make_unique<CriRuntime>(sockets.cri));
  if (!sockets.docker.empty()) runtimes.push_back(std::make_unique<DockerRuntime>(sockets.docker));
  if (runtimes.empty()) return nullptr;
  return std::make_unique<ContainerRuntimes>(std::move(runtimes));
}

}  // namespace pilotlight::agent
