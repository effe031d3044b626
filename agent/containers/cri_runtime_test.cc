#include "agent/containers/cri_runtime.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "cri/runtime/v1/runtime.grpc.pb.h"

namespace pilotlight::agent {
namespace {

namespace cri = ::runtime::v1;

// Of containerd's behaviour, which tests/e2e/container_labels_test.py sees for real.
class FakeRuntime : public cri::RuntimeService::Service {
 public:
  grpc::Status ListContainers(grpc::ServerContext*, const cri::ListContainersRequest* request,
                              cri::ListContainersResponse* response) override {
    const auto found = containers.find(request->filter().id());
    if (found != containers.end()) *response->add_containers() = found->second;
    return grpc::Status::OK;
  }
  grpc::Status ListPodSandbox(grpc::ServerContext*, const cri::ListPodSandboxRequest* request,
                              cri::ListPodSandboxResponse* response) override {
    const auto found = sandboxes.find(request->filter().id());
    if (found != sandboxes.end()) *response->add_items() = found->second;
    return grpc::Status::OK;
  }
  grpc::Status ContainerStatus(grpc::ServerContext*, const cri::ContainerStatusRequest* request,
                               cri::ContainerStatusResponse* response) override {
    if (image_in_status.empty()) return {grpc::StatusCode::NOT_FOUND, request->container_id()};
    response->mutable_status()->mutable_image()->set_image(image_in_status);
    return grpc::Status::OK;
  }

  std::map<std::string, cri::Container> containers;
  std::map<std::string, cri::PodSandbox> sandboxes;
  std::string image_in_status;
};

class CriRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    cri::PodSandbox& sandbox = service_.sandboxes["sandbox"];
    sandbox.mutable_metadata()->set_name("shop-7f9-x");
    sandbox.mutable_metadata()->set_namespace_("prod");
    sandbox.mutable_metadata()->set_uid("u-1");
    (*sandbox.mutable_labels())["app"] = "shop";
    (*sandbox.mutable_labels())["io.kubernetes.pod.name"] = "shop-7f9-x";
    (*sandbox.mutable_annotations())["profiles.example/port"] = "6060";
    (*sandbox.mutable_annotations())["kubectl.kubernetes.io/last-applied-configuration"] =
        std::string(513, '{');
    cri::Container& container = service_.containers["c"];
    container.set_pod_sandbox_id("sandbox");
    container.mutable_metadata()->set_name("web");
    container.mutable_image()->set_image("sha256:1234");
    service_.image_in_status = "registry.example/shop:1.4";
  }
  void Serve() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix://" + socket(), grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  std::string socket() const { return directory_.path() + "/cri.sock"; }

  TemporaryDirectory directory_;
  FakeRuntime service_;
  std::unique_ptr<grpc::Server> server_;
  CriRuntime runtime_{{directory_.path() + "/other.sock", socket()}, absl::Minutes(1)};
};

TEST_F(CriRuntimeTest, FindsAContainerAndItsPod) {
  Serve();
  const absl::StatusOr<Container> container = runtime_.Find("c");
  ASSERT_TRUE(container.ok()) << container.status();
  EXPECT_EQ(container->name, "web");
  EXPECT_EQ(container->image, "registry.example/shop:1.4");
  EXPECT_EQ(container->pod.name, "shop-7f9-x");
  EXPECT_EQ(container->pod.namespace_name, "prod");
  EXPECT_EQ(container->pod.uid, "u-1");
  EXPECT_EQ(container->pod.labels, (Labels{{"app", "shop"}}));
  EXPECT_EQ(container->pod.annotations, (Labels{{"profiles.example/port", "6060"}}));
}

TEST_F(CriRuntimeTest, PrefersTheImageAsThePodNamesIt) {
  service_.containers["c"].mutable_image()->set_user_specified_image("shop:latest");
  Serve();
  EXPECT_EQ(runtime_.Find("c")->image, "shop:latest");
}

TEST_F(CriRuntimeTest, KnowsThePodsOwnProcess) {
  Serve();
  const absl::StatusOr<Container> container = runtime_.Find("sandbox");
  ASSERT_TRUE(container.ok()) << container.status();
  EXPECT_EQ(container->name, "");
  EXPECT_EQ(container->pod.name, "shop-7f9-x");
}

TEST_F(CriRuntimeTest, FindsNothingForAContainerOfAnotherRuntime) {
  Serve();
  EXPECT_EQ(runtime_.Find("docker's").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CriRuntimeTest, FindsNothingForAContainerThatGoesMeanwhile) {
  service_.image_in_status = "";
  Serve();
  EXPECT_EQ(runtime_.Find("c").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CriRuntimeTest, NamesTheSocketsThatAreNotThere) {
  const absl::Status status = runtime_.Find("c").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(socket()));
}

TEST_F(CriRuntimeTest, FindsARuntimeThatStartsLater) {
  EXPECT_FALSE(runtime_.Find("c").ok());
  Serve();
  EXPECT_TRUE(runtime_.Find("c").ok());
}

// A socket that somebody has bound; where `backlog` is 0 nobody listens.
UniqueFd Bind(const std::string& path, int backlog) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  CHECK(path.size() < sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  CHECK(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  if (backlog > 0) CHECK(::listen(fd.get(), backlog) == 0);
  return fd;
}

TEST_F(CriRuntimeTest, FailsWhereARuntimeHasDied) {
  const UniqueFd nobody = Bind(socket(), /*backlog=*/0);
  EXPECT_EQ(runtime_.Find("c").status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(CriRuntimeTest, GivesUpOnARuntimeThatHangs) {
  const UniqueFd hanging = Bind(socket(), /*backlog=*/1);
  CriRuntime runtime({socket()}, absl::Milliseconds(50));
  const absl::Status status = runtime.Find("c").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), testing::StartsWith(socket() + ": "));
}

}  // namespace
}  // namespace pilotlight::agent
