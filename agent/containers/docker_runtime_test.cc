#include "agent/containers/docker_runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

TEST(DockerRuntimeTest, ReadsNameAndImage) {
  const auto container = ParseDockerContainers(
      R"([{"Id": "582…", "Names": ["/shop-web", "/other/alias"], "Image": "shop:1.4", "Labels": {}}])");
  ASSERT_TRUE(container.ok()) << container.status();
  EXPECT_EQ(container->name, "shop-web");
  EXPECT_EQ(container->image, "shop:1.4");
  EXPECT_EQ(container->pod.name, "");
}

TEST(DockerRuntimeTest, FindsNothingInAnEmptyList) {
  EXPECT_EQ(ParseDockerContainers("[]").status().code(), absl::StatusCode::kNotFound);
}

TEST(DockerRuntimeTest, RefusesWhatIsNoListOfContainers) {
  for (const char* json : {"", "{", "{}", "null", "[null]", "[1]", "[{}]", R"([{"Names": []}])",
                           R"([{"Names": "x"}])", R"({"message": "page not found"})"}) {
    EXPECT_EQ(ParseDockerContainers(json).status().code(), absl::StatusCode::kInvalidArgument) << json;
  }
}

TEST(DockerRuntimeTest, NamesTheSocketThatIsNotThere) {
  DockerRuntime runtime("/nowhere/docker.sock");
  const absl::Status status = runtime.Find("x").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/nowhere/docker.sock"));
}

}  // namespace
}  // namespace pilotlight::agent
