#include "agent/targets/cgroup.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pilotlight::agent {
namespace {

constexpr char kId[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr char kOther[] = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
constexpr char kUid[] = "2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab";
constexpr char kStaticUid[] = "8dbc5577bc9d8a7ba4a0f0e2b1f0d3e7";

struct Row {
  const char* name;
  const char* text;  // ID, OTHER, UID and U_ID (the same with "_") stand for those above
  Cgroup expected;
};

// Without it gtest prints bytes.
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class CgroupTest : public testing::TestWithParam<Row> {};

TEST_P(CgroupTest, Tells) {
  std::string systemd_uid = kUid;
  absl::StrReplaceAll({{"-", "_"}}, &systemd_uid);
  const std::string text = absl::StrReplaceAll(
      GetParam().text,
      {{"OTHER", kOther}, {"STATIC", kStaticUid}, {"U_ID", systemd_uid}, {"UID", kUid}, {"ID", kId}});
  const Cgroup cgroup = ParseCgroup(text);
  EXPECT_EQ(cgroup.container_id, GetParam().expected.container_id) << text;
  EXPECT_EQ(cgroup.pod_uid, GetParam().expected.pod_uid) << text;
  EXPECT_EQ(cgroup.systemd_unit, GetParam().expected.systemd_unit) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Containers, CgroupTest,
    testing::Values(
        Row{"ContainerdSystemd",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/"
            "cri-containerd-ID.scope\n",
            {kId, kUid, ""}},
        Row{"GuaranteedSystemd",
            "0::/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-ID.scope\n",
            {kId, kUid, ""}},
        Row{"Cgroupfs", "0::/kubepods/burstable/podUID/ID\n", {kId, kUid, ""}},
        Row{"GuaranteedCgroupfs", "0::/kubepods/podUID/ID\n", {kId, kUid, ""}},
        Row{"StaticPod", "0::/kubepods/burstable/podSTATIC/ID\n", {kId, kStaticUid, ""}},
        Row{"StaticPodSystemd",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podSTATIC.slice/crio-ID.scope\n",
            {kId, kStaticUid, ""}},
        Row{"BelowAKubeletOfItsOwn",
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            "kubelet-kubepods-besteffort-podU_ID.slice/cri-containerd-ID.scope\n",
            {kId, kUid, ""}},
        Row{"BelowAKubeletOfItsOwnCgroupfs", "0::/kubelet/kubepods/besteffort/podUID/ID\n", {kId, kUid, ""}},
        Row{"Crio",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/crio-ID.scope\n",
            {kId, kUid, ""}},
        Row{"CrioWithGroupsOfItsOwn",
            "0::/kubepods.slice/kubepods-podU_ID.slice/crio-ID.scope/container\n",
            {kId, kUid, ""}},
        Row{"CrioCgroupfs", "0::/kubepods/podUID/crio-ID\n", {kId, kUid, ""}},
        Row{"CriDockerd", "0::/kubepods.slice/kubepods-podU_ID.slice/docker-ID.scope\n", {kId, kUid, ""}},
        Row{"ContainerdUnlikeKubelet",
            "0::/system.slice/containerd.service/kubepods-burstable-podU_ID.slice:cri-containerd:ID\n",
            {kId, kUid, ""}},
        Row{"DockerSystemd", "0::/system.slice/docker-ID.scope\n", {kId, "", ""}},
        Row{"DockerCgroupfs", "0::/docker/ID\n", {kId, "", ""}},
        Row{"Nerdctl", "0::/system.slice/nerdctl-ID.scope\n", {kId, "", ""}},
        Row{"ContainerdNamespace", "0::/default/ID\n", {kId, "", ""}},
        Row{"AmazonEcs", "0::/ecs/0123456789abcdef0123456789abcdef/ID\n", {kId, "", ""}},
        Row{"Podman", "0::/machine.slice/libpod-ID.scope/container\n", {kId, "", ""}},
        Row{"PodmanCgroupfs", "0::/libpod_parent/libpod-ID\n", {kId, "", ""}},
        Row{"PodmanWithSplitGroups", "0::/system.slice/shop.service/libpod-payload-ID\n", {kId, "", ""}},
        Row{"PodmanOfAUser",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope\n",
            {kId, "", ""}},
        Row{"SeenFromAContainer",
            "0::/../../kubepods-podU_ID.slice/cri-containerd-ID.scope\n",
            {kId, kUid, ""}},
        Row{"SeenFromTheSamePod", "0::/../cri-containerd-ID.scope\n", {kId, "", ""}},
        Row{"SystemdInAContainer", "0::/docker/ID/system.slice/nginx.service\n", {kId, "", ""}},
        Row{"DockerInAPod", "0::/kubepods/burstable/podUID/ID/docker/OTHER\n", {kId, kUid, ""}},
        Row{"ServiceBesideItsOwnRuntime", "0::/system.slice/docker.service/docker/ID\n", {kId, "", ""}},
        Row{"V1",
            "12:cpu,cpuacct:/kubepods/burstable/podUID/ID\n11:memory:/kubepods/burstable/podUID/ID\n"
            "1:name=systemd:/kubepods/burstable/podUID/ID\n",
            {kId, kUid, ""}},
        Row{"Hybrid", "9:name=systemd:/\n4:memory:/docker/ID\n0::/\n", {kId, "", ""}},
        Row{"HybridBesideAUnit",
            "9:name=systemd:/system.slice/docker.service\n4:memory:/docker/ID\n0::/\n",
            {kId, "", ""}}),
    [](const auto& row) { return std::string(row.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Units, CgroupTest,
    testing::Values(
        Row{"Service", "0::/system.slice/nginx.service\n", {"", "", "nginx.service"}},
        Row{"Template",
            "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
            {"", "", "postgresql@15-main.service"}},
        Row{"ServiceWithGroupsOfItsOwn",
            "0::/system.slice/shop.service/workers/3\n",
            {"", "", "shop.service"}},
        Row{"SeenFromAContainer",
            "0::/../../../../system.slice/kubelet.service\n",
            {"", "", "kubelet.service"}},
        Row{"V1",
            "4:memory:/system.slice/a.service\n1:name=systemd:/system.slice/nginx.service\n",
            {"", "", "nginx.service"}},
        Row{"TheRuntimeItself", "0::/system.slice/containerd.service\n", {"", "", "containerd.service"}}),
    [](const auto& row) { return std::string(row.param.name); });

INSTANTIATE_TEST_SUITE_P(
    NobodyThatIsKnown, CgroupTest,
    testing::Values(
        Row{"Nothing", "", {}}, Row{"Root", "0::/\n", {}}, Row{"NoPath", "0::\n:\n\nx", {}},
        Row{"Session", "0::/user.slice/user-0.slice/session-1.scope\n", {}},
        Row{"UsersManager", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/code.service\n", {}},
        Row{"UsersManagerInSystemSlice", "0::/system.slice/user@1000.service\n", {}},
        Row{"Init", "0::/init.scope\n", {}}, Row{"ScopeOfSystemSlice", "0::/system.slice/run-r1.scope\n", {}},
        Row{"ServiceInAScope", "0::/system.slice/run-r1.scope/a.service\n", {}},
        Row{"WatcherOfACrioContainer",
            "0::/kubepods.slice/kubepods-podU_ID.slice/crio-conmon-ID.scope\n",
            {}},
        Row{"WatcherOfAPodmanContainer", "0::/machine.slice/libpod-conmon-ID.scope\n", {}},
        Row{"ShortId", "0::/docker/0123456789abcdef\n", {}},
        Row{"NoHexadecimalId",
            "0::/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg\n",
            {}},
        Row{"CapitalId",
            "0::/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n",
            {}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(PodUidTest, NeedsTheWholeUid) {
  for (const char* pod :
       {"pod", "pod2f9a1c3e", "xpod2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab",
        "pod2f9a1c3e_7b4d_4e5f_8a6b_1234567890ab", "pod2f9a1c3e-7b4d-4e5f-8a6b-1234567890ab-x",
        "pod2f9a1c3e7-b4d-4e5f-8a6b-1234567890ab"}) {
    EXPECT_EQ(ParseCgroup(absl::StrCat("0::/", pod, "/", kId)), (Cgroup{kId, "", ""})) << pod;
  }
}

}  // namespace
}  // namespace pilotlight::agent
