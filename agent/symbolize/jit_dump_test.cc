#include "agent/symbolize/jit_dump.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kRoom = 1 << 20;

template <typename... Numbers>
std::string Bytes(Numbers... numbers) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&numbers), sizeof(numbers)), ...);
  return bytes;
}

const std::string kHeader = Bytes(uint32_t{0x4A695444}, uint32_t{1}, uint32_t{40}, uint32_t{62}, uint32_t{0},
                                  uint32_t{7}, uint64_t{0}, uint64_t{0});

std::string Record(uint32_t id, const std::string& body) {
  return absl::StrCat(Bytes(id, static_cast<uint32_t>(16 + body.size()), uint64_t{0}), body);
}
std::string Load(uint64_t address, uint64_t size, const std::string& name) {
  return Record(0, absl::StrCat(Bytes(uint32_t{7}, uint32_t{7}, address, address, size, uint64_t{0}), name,
                                std::string(1 + size, '\0')));
}
std::string Move(uint64_t from, uint64_t to, uint64_t size) {
  return Record(1, Bytes(uint32_t{7}, uint32_t{7}, to, from, to, size, uint64_t{0}));
}

TEST(JitDumpTest, NamesWhatWasLoadedAndMoved) {
  MemoryBytes file(absl::StrCat(kHeader, Record(4, std::string(24, '\0')), Load(0x1000, 0x40, "first"),
                                Load(0x2000, 0x9000, "second"), Move(0x1000, 0x20000, 0x40)));
  PerfMap map;
  EXPECT_EQ(ReadJitDump(file, 0, kRoom, map), file.size());
  EXPECT_EQ(map.Find(0x103f), "first");
  EXPECT_EQ(map.Find(0x1040), "");
  EXPECT_EQ(map.Find(0xafff), "second");
  EXPECT_EQ(map.Find(0x20010), "first");
}

TEST(JitDumpTest, GoesOnWhereTheFileHasGrown) {
  const std::string start = kHeader + Load(0x1000, 0x40, "first");
  const std::string more = Load(0x1000, 0x20, "in its place") + Move(0x1000, 0x3000, 0x20);
  MemoryBytes begun(start + more.substr(0, 70));
  PerfMap map;
  EXPECT_EQ(ReadJitDump(begun, 0, kRoom, map), start.size());
  EXPECT_EQ(map.Find(0x1000), "first");
  MemoryBytes grown(start + more);
  EXPECT_EQ(ReadJitDump(grown, start.size(), kRoom, map), grown.size());
  EXPECT_EQ(map.Find(0x1000), "in its place");
  EXPECT_EQ(map.Find(0x3000), "in its place");
}

TEST(JitDumpTest, EndsAtItsEndAndWhereItIsBroken) {
  PerfMap map;
  MemoryBytes closed(absl::StrCat(kHeader, Record(3, ""), Load(0x1000, 0x40, "after")));
  EXPECT_EQ(ReadJitDump(closed, 0, kRoom, map), UINT64_MAX);
  MemoryBytes broken(absl::StrCat(kHeader, Bytes(uint32_t{0}, uint32_t{8}, uint64_t{0})));
  EXPECT_EQ(ReadJitDump(broken, 0, kRoom, map), UINT64_MAX);
  MemoryBytes other(std::string(100, 'x'));
  EXPECT_EQ(ReadJitDump(other, 0, kRoom, map), UINT64_MAX);
  EXPECT_EQ(map.size(), 0u);
}

TEST(JitDumpTest, TakesNoMoreThanThereIsRoomFor) {
  std::string text = kHeader;
  for (uint64_t i = 0; i < 1000; ++i) text += Load(0x1000 + i * 0x10, 0x10, "function");
  MemoryBytes file(text);
  PerfMap map;
  EXPECT_LT(ReadJitDump(file, 0, /*max_map_bytes=*/4096, map), file.size());
  EXPECT_GT(map.size(), 0u);
  EXPECT_LT(map.byte_size(), size_t{3} * 4096);
}

TEST(JitDumpTest, IsFoundByItsMapping) {
  const Process process{.maps = ProcessMaps::Parse("1000-2000 r-xp 00000000 fd:01 8 /tmp/jit-x.dump\n"
                                                   "2000-3000 r-xp 00000000 fd:01 9 /srv/jit-7.dump\n")};
  ASSERT_NE(FindJitDump(process), nullptr);
  EXPECT_EQ(FindJitDump(process)->path, "/srv/jit-7.dump");
  EXPECT_EQ(FindJitDump(Process()), nullptr);
}

}  // namespace
}  // namespace pilotlight::agent
