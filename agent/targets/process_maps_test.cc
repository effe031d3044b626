#include "agent/targets/process_maps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

TEST(ProcessMapsTest, KeepsOnlyExecutableMappings) {
  const ProcessMaps maps = ProcessMaps::Parse(
      "55d0c0000000-55d0c0001000 r--p 00000000 fd:01 1234                       /usr/bin/app\n"
      "55d0c0001000-55d0c0004000 r-xp 00001000 fd:01 1234                       /usr/bin/app\n"
      "7ffc10000000-7ffc10021000 rw-p 00000000 00:00 0                          [stack]\n");
  ASSERT_EQ(maps.mappings().size(), 1u);
  const Mapping& mapping = maps.mappings()[0];
  EXPECT_EQ(mapping.start, 0x55d0c0001000u);
  EXPECT_EQ(mapping.end, 0x55d0c0004000u);
  EXPECT_EQ(mapping.file_offset, 0x1000u);
  EXPECT_EQ(mapping.inode, 1234u);
  EXPECT_EQ(mapping.path, "/usr/bin/app");
  EXPECT_FALSE(mapping.deleted);
}

TEST(ProcessMapsTest, KeepsSpacesInPathsAndUndoesNewlines) {
  const ProcessMaps maps = ProcessMaps::Parse("1000-2000 r-xp 00000000 fd:01 9 /opt/my app/a\\012b\n");
  ASSERT_EQ(maps.mappings().size(), 1u);
  EXPECT_EQ(maps.mappings()[0].path, "/opt/my app/a\nb");
}

TEST(ProcessMapsTest, RecognisesDeletedFiles) {
  const ProcessMaps maps =
      ProcessMaps::Parse("1000-2000 r-xp 00000000 fd:01 9 /usr/lib/libz.so.1 (deleted)\n");
  ASSERT_EQ(maps.mappings().size(), 1u);
  EXPECT_EQ(maps.mappings()[0].path, "/usr/lib/libz.so.1");
  EXPECT_TRUE(maps.mappings()[0].deleted);
}

TEST(ProcessMapsTest, GivesJitCodeNoPathButTheVdsoItsName) {
  const ProcessMaps maps = ProcessMaps::Parse(
      "1000-2000 r-xp 00000000 00:00 0\n"
      "2000-3000 rwxp 00000000 00:00 0 [anon:v8]\n"
      "3000-4000 r-xp 00000000 00:00 0 [vdso]\n");
  ASSERT_EQ(maps.mappings().size(), 3u);
  EXPECT_EQ(maps.mappings()[0].path, "");
  EXPECT_EQ(maps.mappings()[1].path, "");
  EXPECT_EQ(maps.mappings()[2].path, "[vdso]");
}

TEST(ProcessMapsTest, LeavesOutWhatIsNotALineOfMaps) {
  const ProcessMaps maps = ProcessMaps::Parse(
      "\n-\nzz-yy r-xp 0 0:0 0\n2000-1000 r-xp 00000000 00:00 0\n1000-2000 r-xp\n1000-2000\n"
      "1000-2000 r-xp 00000000 0000 0\n11112222333344445-2 r-xp 00000000 00:00 0\n");
  EXPECT_THAT(maps.mappings(), testing::IsEmpty());
}

TEST(ProcessMapsTest, FindsTheMappingOfAnAddressUpToItsEnd) {
  const ProcessMaps maps = ProcessMaps::Parse(
      "5000-6000 r-xp 00000000 00:00 0 [vdso]\n"
      "1000-2000 r-xp 00000000 fd:01 9 /a\n");
  EXPECT_EQ(maps.Find(0xfff), nullptr);
  ASSERT_NE(maps.Find(0x1000), nullptr);
  EXPECT_EQ(maps.Find(0x1fff)->path, "/a");
  EXPECT_EQ(maps.Find(0x2000), nullptr);
  EXPECT_EQ(maps.Find(0x5800)->path, "[vdso]");
  EXPECT_EQ(maps.Find(0x6000), nullptr);
}

TEST(ProcessMapsTest, ReadsItselfWithTheDeviceThatStatGives) {
  const absl::StatusOr<ProcessMaps> maps = ProcessMaps::Read(getpid());
  ASSERT_TRUE(maps.ok()) << maps.status();
  const Mapping* own = maps->Find(reinterpret_cast<uint64_t>(&ProcessMaps::Parse));
  ASSERT_NE(own, nullptr);
  struct stat file {};
  ASSERT_EQ(stat(own->path.c_str(), &file), 0);
  EXPECT_EQ(own->device, file.st_dev);
  EXPECT_EQ(own->inode, file.st_ino);
}

TEST(ProcessMapsTest, SaysNotFoundForAProcessThatIsGone) {
  const FakeProc proc;
  EXPECT_EQ(ProcessMaps::Read(4711, proc.root()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace pilotlight::agent
