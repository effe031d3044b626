#include "agent/symbolize/kernel_symbols.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace pilotlight::agent {
namespace {

constexpr char kText[] =
    "ffffffff81000000 T _stext\n"
    "ffffffff81000000 T _text\n"
    "ffffffff81000000 T startup_64\n"
    "ffffffff81001000 t __do_read\n"
    "ffffffff81001000 T do_read\n"
    "ffffffff81001100 D some_data\n"
    "ffffffff81001200 T __pfx_do_write\n"
    "ffffffff81001210 W do_write\n"
    "ffffffffc0400000 t nf_hook\t[nf_tables]\n"
    "ffffffffc0300000 t tun_recv\t[tun]\n"
    "ffffffffc0500000 t bpf_prog_abc_main\t[bpf]\n";

TEST(KernelSymbolsTest, FindsTheFunctionThatStartsLastBeforeTheAddress) {
  const auto symbols = KernelSymbols::Parse(kText);
  ASSERT_TRUE(symbols.ok()) << symbols.status();
  EXPECT_EQ(symbols->Find(0xffffffff81000000).name, "startup_64");
  EXPECT_EQ(symbols->Find(0xffffffff81000fff).name, "startup_64");
  EXPECT_EQ(symbols->Find(0xffffffff81001105).name, "do_read");
  EXPECT_EQ(symbols->Find(0xffffffff81001215).name, "do_write");
  EXPECT_EQ(symbols->Find(0xffffffff81001215).module, "");
}

TEST(KernelSymbolsTest, SaysTheModule) {
  const auto symbols = KernelSymbols::Parse(kText);
  ASSERT_TRUE(symbols.ok());
  EXPECT_EQ(symbols->Find(0xffffffffc0300010).name, "tun_recv");
  EXPECT_EQ(symbols->Find(0xffffffffc0300010).module, "[tun]");
  EXPECT_EQ(symbols->Find(0xffffffffc0400010).name, "nf_hook");
  EXPECT_EQ(symbols->Find(0xffffffffc0500010).module, "[bpf]");
}

TEST(KernelSymbolsTest, DoesNotNameWhatIsFarFromAnyFunction) {
  const auto symbols = KernelSymbols::Parse(kText);
  ASSERT_TRUE(symbols.ok());
  EXPECT_EQ(symbols->Find(0xffffffff90000000).name, "");
  EXPECT_EQ(symbols->Find(0xffffffff80000000).name, "");
  EXPECT_EQ(symbols->Find(0x1000).name, "");
  EXPECT_EQ(symbols->Find(UINT64_MAX).name, "");
}

TEST(KernelSymbolsTest, SaysThatTheKernelHidesItsAddresses) {
  const auto symbols = KernelSymbols::Parse("0000000000000000 T do_read\n0000000000000000 t do_write\n");
  EXPECT_EQ(symbols.status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(KernelSymbolsTest, LeavesOutLinesThatItDoesNotUnderstand) {
  const auto symbols =
      KernelSymbols::Parse("\n \nffff\nzzzz T bad\nffffffff81001000 T good\nffffffff81002000 T");
  ASSERT_TRUE(symbols.ok());
  EXPECT_EQ(symbols->size(), 1);
}

TEST(KernelSymbolsTest, ReadsAFileLargerThanItsBufferAsParseDoes) {
  std::string text;
  for (uint64_t i = 0; i < 20000; ++i) {
    absl::StrAppend(&text, absl::Hex(0xffffffff81000000 + i * 16, absl::kZeroPad16), " t function_", i, "\n");
  }
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/kallsyms";
  ASSERT_TRUE(WriteFileDurably(path, text).ok());
  const auto symbols = KernelSymbols::Read(path);
  ASSERT_TRUE(symbols.ok());
  EXPECT_EQ(symbols->size(), 20000);
  EXPECT_EQ(symbols->Find(0xffffffff81000000 + uint64_t{12345} * 16 + 3).name, "function_12345");
  EXPECT_EQ(symbols->Find(0xffffffff81000000 + uint64_t{19999} * 16).name, "function_19999");
}

}  // namespace
}  // namespace pilotlight::agent
