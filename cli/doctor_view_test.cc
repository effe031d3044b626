#include "cli/doctor_view.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace pilotlight::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

agent::ProcessReport Process(pid_t pid, const std::string& name, int seconds) {
  return {.pid = pid,
          .service = name,
          .executable = "/usr/bin/" + name,
          .runtime = "native",
          .names = agent::NameCoverage::kExported,
          .frame_pointers = agent::FramePointers::kNone,
          .stripped = true,
          .cpu_time = absl::Seconds(seconds),
          .advice = {"keep the symbol table"}};
}

TEST(DoctorViewTest, SaysWhatWorksAndWhatWouldHelp) {
  agent::NodeReport node;
  node.kernel = "Linux 6.1 x86_64";
  node.sources = {{"ebpf", absl::PermissionDeniedError("needs CAP_BPF")}, {"perf", absl::OkStatus()}};
  const std::string text =
      DoctorText({node, agent::GroupByExecutable({Process(1, "a", 1), Process(2, "b", 5)})},
                 /*limit=*/1, /*width=*/0, /*colour=*/false);
  EXPECT_THAT(text,
              AllOf(HasSubstr("NO   capture by ebpf: needs CAP_BPF\n"), HasSubstr("yes  capture by perf\n"),
                    HasSubstr("b        native   exported  none"), HasSubstr("and 1 more programs"),
                    HasSubstr("  b: keep the symbol table\n"), Not(HasSubstr("  a: "))));
}

TEST(DoctorViewTest, JsonHasTheSame) {
  agent::NodeReport node;
  node.sources = {{"ebpf", absl::PermissionDeniedError("needs CAP_BPF")}};
  node.kernel_symbols = absl::PermissionDeniedError("hidden");
  const nlohmann::json json =
      nlohmann::json::parse(DoctorJson({node, agent::GroupByExecutable({Process(1, "a", 1)})}));
  EXPECT_EQ(json["sources"][0]["works"], false);
  EXPECT_EQ(json["kernel_symbols"], "hidden");
  EXPECT_EQ(json["programs"][0]["names"], "exported");
  EXPECT_EQ(json["programs"][0]["frame_pointers"], "none");
}

}  // namespace
}  // namespace pilotlight::cli
