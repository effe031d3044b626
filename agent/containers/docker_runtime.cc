#include "agent/containers/docker_runtime.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/containers/runtime_socket.h"
#include "base/http_client.h"

namespace pilotlight::agent {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxBytes = size_t{1} << 20;

// Empty unless it is a text.
std::string Text(const Json& json) { return json.is_string() ? json.get<std::string>() : ""; }

std::string Field(const Json& object, const char* name) {
  const auto field = object.find(name);
  return field == object.end() ? "" : Text(*field);
}

}  // namespace

absl::StatusOr<Container> ParseDockerContainers(absl::string_view json) {
  const Json containers = Json::parse(json.begin(), json.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!containers.is_array()) return absl::InvalidArgumentError("no list of containers");
  if (containers.empty()) return absl::NotFoundError("no such container");
  const Json& first = containers.front();
  const auto names = first.is_object() ? first.find("Names") : first.end();
  if (names == first.end() || !names->is_array() || names->empty()) {
    return absl::InvalidArgumentError("a container without names");
  }
  const std::string name = Text(names->front());
  return Container{
      .name = std::string(absl::StripPrefix(name, "/")), .image = Field(first, "Image"), .pod = {}};
}

absl::Status DockerRuntime::Error(const absl::Status& status) const {
  return {status.code(), absl::StrCat(socket_, ": ", status.message())};
}

absl::StatusOr<Container> DockerRuntime::Find(const std::string& id) {
  if (!IsSocket(socket_)) return absl::FailedPreconditionError(absl::StrCat("no socket at ", socket_));
  // {"id":["…"]}
  const std::string url =
      absl::StrCat("http://docker/containers/json?filters=%7B%22id%22%3A%5B%22", id, "%22%5D%7D");
  const HttpGetOptions options = {
      .connect_timeout = timeout_, .timeout = timeout_, .max_body_bytes = kMaxBytes, .unix_socket = socket_};
  const absl::StatusOr<HttpGetResult> answer = HttpGet(url, options, never_);
  if (!answer.ok()) return Error(answer.status());
  if (answer->status != 200) {
    return Error(absl::UnavailableError(absl::StrCat("it answers with status ", answer->status)));
  }
  absl::StatusOr<Container> container = ParseDockerContainers(answer->body);
  if (!container.ok()) return Error(container.status());
  return container;
}

}  // namespace pilotlight::agent
