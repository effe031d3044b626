#include "agent/containers/container_runtimes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

class OneAnswer : public ContainerRuntime {
 public:
  explicit OneAnswer(absl::StatusOr<Container> answer) : answer_(std::move(answer)) {}
  absl::StatusOr<Container> Find(const std::string& /*id*/) override { return answer_; }

 private:
  const absl::StatusOr<Container> answer_;
};

absl::StatusOr<Container> FindIn(const std::vector<absl::StatusOr<Container>>& answers) {
  std::vector<std::unique_ptr<ContainerRuntime>> runtimes;
  for (const auto& answer : answers) runtimes.push_back(std::make_unique<OneAnswer>(answer));
  return ContainerRuntimes(std::move(runtimes)).Find("id");
}

const absl::Status kNone = absl::FailedPreconditionError("none");
const absl::Status kUnknown = absl::NotFoundError("unknown");
const absl::Status kHangs = absl::DeadlineExceededError("hangs");

TEST(ContainerRuntimesTest, HaveWhatTheFirstKnows) {
  const Container one{.name = "one"};
  const Container other{.name = "other"};
  EXPECT_EQ(FindIn({kHangs, kUnknown, one, other})->name, "one");
}

TEST(ContainerRuntimesTest, FailByWhatTellsMost) {
  EXPECT_EQ(FindIn({kNone, kUnknown}).status(), kUnknown);
  EXPECT_EQ(FindIn({kUnknown, kNone}).status(), kUnknown);
  EXPECT_EQ(FindIn({kHangs, kUnknown, kNone}).status(), kHangs);
  EXPECT_EQ(FindIn({kNone, kUnknown, kHangs}).status(), kHangs);
  EXPECT_EQ(FindIn({kNone}).status(), kNone);
}

TEST(RuntimeEndpointTest, StandsForPathsAndWellKnownPlaces) {
  const RuntimeSockets automatic = {.cri = {"/run/containerd/containerd.sock", "/run/crio/crio.sock",
                                            "/run/k3s/containerd/containerd.sock"},
                                    .docker = "/run/docker.sock"};
  EXPECT_EQ(*ParseRuntimeEndpoint("auto"), automatic);
  EXPECT_EQ(*ParseRuntimeEndpoint("/run/x.sock"), (RuntimeSockets{.cri = {"/run/x.sock"}}));
  EXPECT_EQ(*ParseRuntimeEndpoint("unix:///run/x.sock"), (RuntimeSockets{.cri = {"/run/x.sock"}}));
  EXPECT_EQ(*ParseRuntimeEndpoint("docker:///run/x.sock"), (RuntimeSockets{.docker = "/run/x.sock"}));
  EXPECT_EQ(*ParseRuntimeEndpoint(""), RuntimeSockets());
}

TEST(RuntimeEndpointTest, IsRefusedWhenItIsNoPath) {
  for (const char* endpoint :
       {"x.sock", "localhost:1234", "tcp://localhost:1", "unix://x.sock", "docker://x", "Auto"}) {
    EXPECT_EQ(ParseRuntimeEndpoint(endpoint).status().code(), absl::StatusCode::kInvalidArgument) << endpoint;
  }
}

TEST(RuntimeEndpointTest, AsksNobodyWithoutSockets) { EXPECT_EQ(MakeContainerRuntime({}), nullptr); }

}  // namespace
}  // namespace pilotlight::agent
