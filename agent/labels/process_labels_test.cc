#include "agent/labels/process_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "agent/labels/relabel_file.h"
#include "base/check.h"
#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

const std::string kId(64, 'a');

class MapRuntime : public ContainerRuntime {
 public:
  absl::StatusOr<Container> Find(const std::string& id) override {
    const auto found = containers.find(id);
    if (found == containers.end()) return absl::NotFoundError(id);
    return found->second;
  }
  std::map<std::string, Container> containers;
};

Container ShopContainer() {
  return {.name = "web",
          .image = "registry.example/shop:1.4",
          .pod = {.name = "shop-7f9c6d5b8-x2x7k",
                  .namespace_name = "prod",
                  .uid = "2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab",
                  .labels = {{"pod-template-hash", "7f9c6d5b8"}, {"team.example/name", "blue"}},
                  .annotations = {{"profiles.example/port", "6060"}}}};
}

Process InContainer() {
  return {
      .pid = 10,
      .start_ticks = 1,
      .comm = "server",
      .executable = "/app/server",
      .cgroup = {.container_id = kId, .pod_uid = "2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab", .systemd_unit = ""}};
}

ProcessLabelling LabelsIn(const Container& container, const std::string& rules = "") {
  auto runtime = std::make_unique<MapRuntime>();
  runtime->containers[kId] = container;
  ContainerDirectory directory(std::move(runtime));
  directory.Find(kId);
  directory.Settle(absl::Minutes(1));
  const auto parsed = ParseRelabelFile(rules, "rules.yaml");
  CHECK(parsed.ok());
  return ProcessLabels(&directory, *parsed).LabelsOf(InContainer());
}

Labels LabelsOf(const Process& process, const std::string& rules = "") {
  const auto parsed = ParseRelabelFile(rules, "rules.yaml");
  CHECK(parsed.ok());
  return ProcessLabels(nullptr, *parsed).LabelsOf(process).labels;
}

TEST(ProcessLabelsTest, TellsContainerAndPod) {
  const ProcessLabelling labelling = LabelsIn(ShopContainer());
  EXPECT_EQ(labelling.labels, (Labels{{"service_name", "shop"},
                                      {"namespace", "prod"},
                                      {"pod", "shop-7f9c6d5b8-x2x7k"},
                                      {"container", "web"},
                                      {"image", "registry.example/shop:1.4"},
                                      {"workload", "shop"}}));
  EXPECT_FALSE(labelling.may_change);
  EXPECT_FALSE(labelling.dropped);
}

TEST(ProcessLabelsTest, NamesTheServiceByTheFirstThatIsThere) {
  Container container = ShopContainer();
  container.pod.labels["app"] = "by-app";
  container.pod.labels["app.kubernetes.io/name"] = "by-name";
  EXPECT_EQ(LabelsIn(container).labels.at("service_name"), "by-name");
  container.pod.labels.erase("app.kubernetes.io/name");
  EXPECT_EQ(LabelsIn(container).labels.at("service_name"), "by-app");
  container.pod.labels.erase("app");
  EXPECT_EQ(LabelsIn(container).labels.at("service_name"), "shop");
  container.pod.labels.clear();
  EXPECT_EQ(LabelsIn(container).labels.at("service_name"), "web");
  container.name = "";
  EXPECT_EQ(LabelsIn(container).labels.at("service_name"), "server");
}

TEST(ProcessLabelsTest, NamesAServiceOfSystemdWithoutItsInstance) {
  Process process = {.comm = "postgres", .executable = "/usr/lib/postgresql/15/bin/postgres"};
  process.cgroup.systemd_unit = "postgresql@15-main.service";
  EXPECT_EQ(LabelsOf(process),
            (Labels{{"service_name", "postgresql"}, {"systemd_unit", "postgresql@15-main.service"}}));
}

TEST(ProcessLabelsTest, KnowsTheExecutableOfAllOthers) {
  EXPECT_EQ(LabelsOf(Process{.comm = "x", .executable = "/usr/bin/gzip"}),
            (Labels{{"service_name", "gzip"}}));
  EXPECT_EQ(LabelsOf(Process{.comm = "kworker/0", .kernel_thread = true}),
            (Labels{{"service_name", "kernel"}}));
  EXPECT_EQ(LabelsOf(Process{.comm = "gone"}), (Labels{{"service_name", "gone"}}));
}

TEST(ProcessLabelsTest, ShowsAllThatIsKnownToRelabelling) {
  const ProcessLabelling labelling = LabelsIn(ShopContainer(), R"(
relabel_configs:
  - {action: labelkeep, regex: __meta_.*}
  - {action: labelmap, regex: __(meta_.*)}
)");
  EXPECT_EQ(labelling.labels, (Labels{{"meta_container_id", kId},
                                      {"meta_container_image", "registry.example/shop:1.4"},
                                      {"meta_container_name", "web"},
                                      {"meta_kubernetes_namespace", "prod"},
                                      {"meta_kubernetes_pod_annotation_profiles_example_port", "6060"},
                                      {"meta_kubernetes_pod_annotationpresent_profiles_example_port", "true"},
                                      {"meta_kubernetes_pod_container_image", "registry.example/shop:1.4"},
                                      {"meta_kubernetes_pod_container_name", "web"},
                                      {"meta_kubernetes_pod_label_pod_template_hash", "7f9c6d5b8"},
                                      {"meta_kubernetes_pod_label_team_example_name", "blue"},
                                      {"meta_kubernetes_pod_labelpresent_pod_template_hash", "true"},
                                      {"meta_kubernetes_pod_labelpresent_team_example_name", "true"},
                                      {"meta_kubernetes_pod_name", "shop-7f9c6d5b8-x2x7k"},
                                      {"meta_kubernetes_pod_uid", "2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab"},
                                      {"meta_kubernetes_workload_kind", "Deployment"},
                                      {"meta_kubernetes_workload_name", "shop"},
                                      {"meta_process_comm", "server"},
                                      {"meta_process_executable", "/app/server"},
                                      {"meta_process_pid", "10"}}));
}

TEST(ProcessLabelsTest, SendsNoLabelThatACollectorRefuses) {
  const std::string long_name(129, 'n');
  const Labels labels = LabelsOf(Process{.comm = std::string(3000, 'v')}, R"(
relabel_configs:
  - {target_label: __tmp, replacement: x}
  - {target_label: )" + long_name + R"(, replacement: x}
  - {source_labels: [service_name], target_label: copy}
  - {action: labelmap, regex: __meta_process_pi(d), replacement: '${2}1$1'}
)");
  EXPECT_EQ(labels, (Labels{{"service_name", std::string(2048, 'v')}, {"copy", std::string(2048, 'v')}}));
}

TEST(ProcessLabelsTest, SaysWhatRelabellingDrops) {
  const ProcessLabelling labelling =
      LabelsIn(ShopContainer(), "relabel_configs: [{action: drop, source_labels: [namespace], regex: prod}]");
  EXPECT_TRUE(labelling.dropped);
}

TEST(ProcessLabelsTest, ReachAProcessThatWasSeenBeforeItsContainerWasKnown) {
  FakeProc proc;
  proc.Put({.pid = 10, .executable = "/app/server", .cgroup = "0::/docker/" + kId + "\n"});
  auto runtime = std::make_unique<MapRuntime>();
  runtime->containers[kId] = ShopContainer();
  ContainerDirectory directory(std::move(runtime));
  ProcessLabels labels(&directory, {});
  ProcessTable table(proc.root(), &labels);
  table.OnProcess(10);
  EXPECT_EQ(table.Find(10)->labels, (Labels{{"service_name", "server"}}));
  directory.Settle(absl::Minutes(1));
  table.UpdateLabels();
  EXPECT_EQ(table.Find(10)->labels.at("pod"), "shop-7f9c6d5b8-x2x7k");
  EXPECT_EQ(table.Find(10)->executable, "/app/server");
}

TEST(ProcessLabelsTest, AreAskedForAgainBeforeTheWindowEnds) {
  FakeProc proc;
  proc.Put({.pid = 10, .executable = "/app/server", .cgroup = "0::/docker/" + kId + "\n"});
  auto owned = std::make_unique<MapRuntime>();
  MapRuntime& runtime = *owned;
  ContainerDirectory directory(std::move(owned), {.retry = absl::ZeroDuration()});
  ProcessLabels labels(&directory, {});
  ProcessTable table(proc.root(), &labels);
  table.OnProcess(10);
  directory.Settle(absl::Minutes(1));
  EXPECT_EQ(directory.lookups().at("unknown"), 1u);
  runtime.containers[kId] = ShopContainer();  // its thread waits for the next question
  table.UpdateLabels();
  EXPECT_EQ(table.Find(10)->labels.at("pod"), "shop-7f9c6d5b8-x2x7k");
}

}  // namespace
}  // namespace pilotlight::agent
