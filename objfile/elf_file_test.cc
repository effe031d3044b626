#include "objfile/elf_file.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "tests/support/command.h"
#include "tests/support/go_image.h"

namespace pilotlight {
namespace {

std::string ReadBytes(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return *std::move(bytes);
}

std::unique_ptr<ElfFile> Open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(*OpenReadOnly(path));
  EXPECT_TRUE(elf.ok()) << elf.status();
  return *std::move(elf);
}

TEST(ElfFileTest, ReadsTheBuildIdThatReadelfShows) {
  const auto elf = Open(PILOTLIGHT_NATIVE);
  const CommandResult readelf = RunCommand("readelf -n " PILOTLIGHT_NATIVE);
  EXPECT_GE(elf->build_id().size(), 16);
  EXPECT_TRUE(absl::StrContains(readelf.output, elf->build_id())) << elf->build_id() << "\n"
                                                                  << readelf.output;
}

TEST(ElfFileTest, ABinaryAndItsStrippedCopyHaveOneBuildId) {
  EXPECT_EQ(Open(PILOTLIGHT_NATIVE)->build_id(), Open(PILOTLIGHT_NATIVE_STRIPPED)->build_id());
}

TEST(ElfFileTest, FromFdAndFromBytesAgree) {
  const std::string bytes = ReadBytes(PILOTLIGHT_NATIVE);
  const auto from_bytes = ElfFile::FromBytes(bytes);
  ASSERT_TRUE(from_bytes.ok());
  const auto from_fd = Open(PILOTLIGHT_NATIVE);
  EXPECT_EQ((*from_bytes)->build_id(), from_fd->build_id());
  EXPECT_EQ((*from_bytes)->segments().size(), from_fd->segments().size());
  EXPECT_EQ((*from_bytes)->sections().size(), from_fd->sections().size());
  ASSERT_NE(from_fd->FindSection(".text"), nullptr);
  EXPECT_EQ((*from_bytes)->FindSection(".text")->vaddr, from_fd->FindSection(".text")->vaddr);
}

TEST(ElfFileTest, WithoutANoteTheContentsAreTheIdentity) {
  std::string bytes = GoImage().bytes();
  const auto build_id = [&] { return (*ElfFile::FromBytes(bytes))->build_id(); };
  const std::string before = build_id();
  EXPECT_TRUE(absl::StartsWith(before, "xxh3:")) << before;
  EXPECT_EQ(build_id(), before);
  bytes[bytes.size() - 3] ^= 1;
  EXPECT_NE(build_id(), before);
  TemporaryDirectory directory;
  ASSERT_TRUE(WriteFileDurably(directory.path() + "/image", bytes).ok());
  EXPECT_EQ(Open(directory.path() + "/image")->build_id(), build_id());
}

TEST(ElfFileTest, OffsetsAndAddressesAreInverse) {
  const auto elf = Open(PILOTLIGHT_NATIVE);
  const ElfSection* text = elf->FindSection(".text");
  ASSERT_NE(text, nullptr);
  EXPECT_EQ(elf->OffsetToVaddr(text->offset + 5), text->vaddr + 5);
  EXPECT_EQ(elf->VaddrToOffset(text->vaddr + 5), text->offset + 5);
  EXPECT_FALSE(elf->VaddrToOffset(UINT64_MAX).has_value());
  EXPECT_FALSE(elf->OffsetToVaddr(UINT64_MAX).has_value());
}

TEST(ElfFileTest, RefusesReadsThatLeaveASegment) {
  const std::string bytes = GoImage().bytes();
  const auto elf = *ElfFile::FromBytes(bytes);
  char buffer[0x101];
  EXPECT_TRUE(elf->ReadAt(GoImage::kText, buffer, 0x100));
  EXPECT_FALSE(elf->ReadAt(GoImage::kText, buffer, 0x101));
  EXPECT_FALSE(elf->ReadAt(GoImage::kText + 0x100, buffer, 1));
  EXPECT_EQ(elf->BytesAt(GoImage::kText + 0xf0), 0x10);
}

TEST(ElfFileTest, SaysClearlyWhatItDoesNotRead) {
  std::string bytes = ReadBytes(PILOTLIGHT_NATIVE);
  EXPECT_EQ(ElfFile::FromBytes("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ElfFile::FromBytes("#!/bin/sh\n").status().code(), absl::StatusCode::kInvalidArgument);
  std::string other = bytes;
  other[EI_DATA] = ELFDATA2MSB;
  EXPECT_EQ(ElfFile::FromBytes(other).status().code(), absl::StatusCode::kUnimplemented);
  other = bytes;
  other[EI_CLASS] = ELFCLASS32;
  EXPECT_EQ(ElfFile::FromBytes(other).status().code(), absl::StatusCode::kUnimplemented);
  other = bytes;
  other[offsetof(Elf64_Ehdr, e_type)] = ET_REL;
  EXPECT_EQ(ElfFile::FromBytes(other).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ElfFileTest, SurvivesEveryTruncation) {
  const std::string bytes = GoImage().bytes();
  size_t read = 0;
  for (size_t size = 0; size < bytes.size(); size += 7) {
    read += ElfFile::FromBytes(absl::string_view(bytes).substr(0, size)).ok() ? 1 : 0;
  }
  EXPECT_GT(read, 0);
}

TEST(ElfFileTest, ReadsSegmentsWithoutSectionHeaders) {
  const std::string bytes = GoImage({.section_headers = false}).bytes();
  const auto elf = *ElfFile::FromBytes(bytes);
  EXPECT_TRUE(elf->sections().empty());
  EXPECT_EQ(elf->segments().size(), 3);
}

}  // namespace
}  // namespace pilotlight
