#include "objfile/byte_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/file.h"

namespace pilotlight {
namespace {

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 5);
  return bytes;
}

class FileBytesTest : public ::testing::Test {
 protected:
  std::unique_ptr<FileBytes> Open(const std::string& contents, std::shared_ptr<BlockCache> cache = nullptr) {
    path_ = directory_.path() + "/file" + std::to_string(count_++);
    EXPECT_TRUE(WriteFileDurably(path_, contents).ok());
    auto bytes = FileBytes::Create(*OpenReadOnly(path_), std::move(cache));
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return *std::move(bytes);
  }

  TemporaryDirectory directory_;
  std::string path_;
  int count_ = 0;
};

TEST_F(FileBytesTest, ReadsAcrossBlocksWhatIsInTheFile) {
  const std::string contents = Pattern(3 * 4096 + 100);
  const auto bytes = Open(contents);
  for (const size_t offset : {size_t{0}, size_t{4090}, size_t{8191}, contents.size() - 40}) {
    std::string read(40, '\0');
    ASSERT_TRUE(bytes->Read(offset, read.data(), read.size())) << offset;
    EXPECT_EQ(read, contents.substr(offset, read.size())) << offset;
  }
}

TEST_F(FileBytesTest, RefusesWhatLeavesTheFile) {
  const auto bytes = Open(Pattern(5000));
  char byte[2];
  EXPECT_TRUE(bytes->Read(4999, byte, 1));
  EXPECT_FALSE(bytes->Read(4999, byte, 2));
  EXPECT_FALSE(bytes->Read(5000, byte, 1));
  EXPECT_FALSE(bytes->Read(UINT64_MAX, byte, 1));
  EXPECT_FALSE(bytes->Read<uint64_t>(UINT64_MAX - 3).has_value());
}

TEST_F(FileBytesTest, SurvivesATruncationOfTheFile) {
  const auto bytes = Open(Pattern(100000));
  ASSERT_EQ(::truncate(path_.c_str(), 10), 0);
  char byte;
  EXPECT_FALSE(bytes->Read(50000, &byte, 1));
  EXPECT_TRUE(bytes->Read(5, &byte, 1));
}

TEST_F(FileBytesTest, FilesThatShareBlocksDoNotMix) {
  const auto cache = std::make_shared<BlockCache>(/*slots=*/2);
  const std::string one = Pattern(20000);
  const std::string other(20000, 'x');
  const auto first = Open(one, cache);
  const auto second = Open(other, cache);
  for (size_t offset = 0; offset < 20000; offset += 1000) {
    EXPECT_EQ(first->Read<char>(offset), one[offset]);
    EXPECT_EQ(second->Read<char>(offset), 'x');
  }
  EXPECT_LE(cache->byte_size(), 2 * 4200);
}

TEST_F(FileBytesTest, RefusesADirectory) {
  const auto bytes = FileBytes::Create(UniqueFd(::open(directory_.path().c_str(), O_RDONLY)), nullptr);
  EXPECT_FALSE(bytes.ok());
}

TEST(MemoryBytesTest, ReadsCStringsUpToTheirLimit) {
  MemoryBytes bytes(absl::string_view("one\0two", 7));
  EXPECT_EQ(bytes.ReadCString(0, 100), "one");
  EXPECT_EQ(bytes.ReadCString(4, 100), "two");
  EXPECT_EQ(bytes.ReadCString(4, 2), "tw");
  EXPECT_EQ(bytes.ReadCString(7, 100), "");
}

}  // namespace
}  // namespace pilotlight
