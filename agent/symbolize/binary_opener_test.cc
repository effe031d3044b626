#include "agent/symbolize/binary_opener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

std::string Contents(const UniqueFd& fd) {
  std::string text(100, '\0');
  const ssize_t count = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(count < 0 ? 0 : static_cast<size_t>(count));
  return text;
}

// A process 10 with a root directory of its own.
class BinaryOpenerTest : public ::testing::Test {
 protected:
  BinaryOpenerTest() {
    proc_.Put({.pid = 10});
    std::filesystem::create_directories(root());
    process_.pid = 10;
    process_.executable = "/usr/bin/app";
  }
  std::string root() const { return proc_.root() + "/10/root"; }
  // The file, and a mapping of it as the process sees it.
  Mapping Put(const std::string& name, const std::string& text) {
    std::ofstream(root() + name) << text;
    struct stat status;
    EXPECT_EQ(::stat((root() + name).c_str(), &status), 0);
    return {.start = 0x1000, .end = 0x2000, .device = status.st_dev, .inode = status.st_ino, .path = name};
  }

  FakeProc proc_;
  Process process_;
};

TEST_F(BinaryOpenerTest, OpensThePathInTheRootOfTheProcess) {
  const Mapping mapping = Put("/lib.so", "inside");
  const auto fd = OpenMappedFile(process_, mapping, proc_.root());
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(Contents(*fd), "inside");
}

TEST_F(BinaryOpenerTest, DoesNotFollowALinkOutOfTheRoot) {
  TemporaryDirectory outside;
  std::ofstream(outside.path() + "/secret") << "secret";
  Mapping mapping = Put("/real", "inside");
  mapping.path = "/link";
  std::filesystem::create_symlink(outside.path() + "/secret", root() + "/link");
  EXPECT_EQ(OpenMappedFile(process_, mapping, proc_.root()).status().code(), absl::StatusCode::kNotFound);
  mapping.path = "/../../../../../../../../../.." + outside.path() + "/secret";
  EXPECT_EQ(OpenMappedFile(process_, mapping, proc_.root()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BinaryOpenerTest, RefusesAFileThatHasTakenThePlaceOfTheMappedOne) {
  Mapping mapping = Put("/lib.so", "new");
  mapping.inode += 1000000;
  EXPECT_EQ(OpenMappedFile(process_, mapping, proc_.root()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(BinaryOpenerTest, DoesNotWaitForAWriterOfAFifo) {
  ASSERT_EQ(::mkfifo((root() + "/fifo").c_str(), 0600), 0);
  struct stat status;
  ASSERT_EQ(::stat((root() + "/fifo").c_str(), &status), 0);
  const Mapping mapping{
      .start = 1, .end = 2, .device = status.st_dev, .inode = status.st_ino, .path = "/fifo"};
  OpenMappedFile(process_, mapping, proc_.root()).status().IgnoreError();  // that it returns is the claim
}

TEST_F(BinaryOpenerTest, FindsTheHostsFileWhenTheProcessIsGone) {
  Mapping mapping = Put("/lib.so", "the host's");
  std::filesystem::create_directories(proc_.root() + "/1/root");
  std::filesystem::rename(root() + "/lib.so", proc_.root() + "/1/root/lib.so");
  proc_.Remove(10);
  const auto fd = OpenMappedFile(process_, mapping, proc_.root());
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(Contents(*fd), "the host's");
  mapping.inode += 1000000;
  EXPECT_FALSE(OpenMappedFile(process_, mapping, proc_.root()).ok());
}

TEST(MapFilesTest, OpensADeletedFileThatIsStillMapped) {
  if (::geteuid() != 0) GTEST_SKIP() << "map_files needs root";
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/deleted";
  ASSERT_TRUE(WriteFileDurably(path, "still here").ok());
  void* address = nullptr;
  {
    const auto fd = OpenReadOnly(path);
    ASSERT_TRUE(fd.ok());
    address = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd->get(), 0);
    ASSERT_NE(address, MAP_FAILED);
  }
  ASSERT_EQ(::unlink(path.c_str()), 0);
  Process process;
  process.pid = ::getpid();
  const auto start = reinterpret_cast<uint64_t>(address);
  const auto fd = OpenMappedFile(
      process, {.start = start, .end = start + 4096, .inode = 1, .path = path, .deleted = true}, "/proc");
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(Contents(*fd), "still here");
  ::munmap(address, 4096);
}

}  // namespace
}  // namespace pilotlight::agent
