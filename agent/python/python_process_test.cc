#include "agent/python/python_process.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <tuple>

#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

constexpr pid_t kPid = 7;
constexpr uint64_t kRuntime = 0x1000;
constexpr uint64_t kInterpreter = 0x2000;
constexpr uint64_t kStates = 0x3000;   // 0x200 bytes each
constexpr uint64_t kThreads = 0x4000;  // 0x1000 bytes each
constexpr uint64_t kCode = 0x10000;
constexpr uint64_t kFileName = 0x11000;
constexpr uint64_t kName = 0x12000;
constexpr uint64_t kLines = 0x13000;
constexpr uint64_t kCodeType = 0xc0de;
constexpr uint64_t kStringType = 0x57;
constexpr uint64_t kBytesType = 0xb7;
constexpr uint64_t kAsciiString = 0x64;  // compact, of ASCII, one byte a character

// The memory of a process that runs CPython 3.12.
class PythonProcessTest : public testing::Test {
 protected:
  PythonProcessTest() {
    Set(kRuntime + layout_.interpreters_head, kInterpreter);
    PutString(kFileName, "/srv/shop.py");
    PutString(kName, "Shop.open");
    // Instructions 0 and 1 of the first line, 2 of the second after it.
    PutBytes(kLines, std::string("\xd1\x00\x00\xe0\x00\x00", 6));
    Set(kCode + 8, kCodeType);
    memory_[kCode + layout_.code_first_line] = 40;
    Set(kCode + layout_.code_file, kFileName);
    Set(kCode + layout_.code_name, kName);
    Set(kCode + layout_.code_lines, kLines);
    Write();
  }

  void Set(uint64_t address, uint64_t word) { std::memcpy(&memory_[address], &word, sizeof(word)); }
  void PutString(uint64_t address, const std::string& text) {
    Set(address + 8, kStringType);
    Set(address + 16, text.size());
    Set(address + 32, kAsciiString);
    memory_.replace(address + layout_.string_data, text.size(), text);
  }
  void PutBytes(uint64_t address, const std::string& bytes) {
    Set(address + 8, kBytesType);
    Set(address + 16, bytes.size());
    memory_.replace(address + 32, bytes.size(), bytes);
  }
  // `place`: of the pointer to its state among what the thread keeps.
  void AddThread(size_t index, size_t place) {
    const uint64_t state = kStates + index * 0x200;
    const uint64_t thread = kThreads + index * 0x1000;
    Set(state + layout_.thread_next, 0);
    Set(index == 0 ? kInterpreter + layout_.threads_head : state - 0x200 + layout_.thread_next, state);
    Set(state + layout_.program.thread_id, thread);
    Set(thread + place, state);
    Write();
  }
  void Write() { proc_.Put({.pid = kPid, .memory = memory_}); }

  uint64_t Identity() const {
    std::array<__u64, PL_PYTHON_IDENTITY_WORDS> words;
    std::memcpy(words.data(), &memory_[kCode + PL_PYTHON_IDENTITY_OFFSET], sizeof(words));
    return pl_python_identity(words.data(), 0);
  }
  // Of what FindProgram() has found, as names are only asked for then.
  const PythonFunction* Function(uint64_t identity) {
    std::ignore = process_.FindProgram();
    return process_.FunctionOf(kCode, identity);
  }

  const PythonLayout layout_ = *FindPythonLayout(12, "");
  std::string memory_ = std::string(0x14000, '\0');
  FakeProc proc_;
  PythonProcess process_{kPid,
                         {.minor = 12,
                          .runtime = kRuntime,
                          .code_type = kCodeType,
                          .string_type = kStringType,
                          .bytes_type = kBytesType},
                         proc_.root()};
};

TEST_F(PythonProcessTest, FindsWhereThreadsKeepTheirStates) {
  AddThread(0, 0x310);
  AddThread(1, 0x310);
  Set(kThreads + 0x80, kStates);  // the first thread points at its own from elsewhere, too
  Write();
  const absl::StatusOr<pl_python_program> program = process_.FindProgram();
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->thread_state, 0x310);
  EXPECT_EQ(program->thread_id, layout_.program.thread_id);
}

TEST_F(PythonProcessTest, IsAskedAgainUntilThereIsAThread) {
  EXPECT_TRUE(absl::IsUnavailable(process_.FindProgram().status()));
  AddThread(0, 0x310);
  EXPECT_TRUE(process_.FindProgram().ok());
}

TEST_F(PythonProcessTest, EndsWhereListsAreCirclesOrLeadNowhere) {
  AddThread(0, 0x310);
  Set(kStates + layout_.thread_next, kStates);
  Set(kInterpreter + layout_.interpreter_next, kInterpreter);
  Write();
  EXPECT_TRUE(process_.FindProgram().ok());
  Set(kStates + layout_.thread_next, 0x7fff'0000'0000);
  Write();
  EXPECT_TRUE(absl::IsUnavailable(process_.FindProgram().status()));
}

TEST_F(PythonProcessTest, SaysWhatItDoesNotSupport) {
  PythonProcess old(kPid, {.minor = 10, .runtime = kRuntime}, proc_.root());
  EXPECT_TRUE(absl::IsUnimplemented(old.FindProgram().status()));
}

TEST_F(PythonProcessTest, NamesAFunction) {
  const PythonFunction* function = Function(Identity());
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(function->name, "shop.py:Shop.open");
  EXPECT_EQ(function->file, "/srv/shop.py");
  EXPECT_EQ(function->first_line, 40u);
  EXPECT_EQ(function->lines.LineOf(1), 40u);
  EXPECT_EQ(function->lines.LineOf(2), 42u);
}

TEST_F(PythonProcessTest, KeepsWhatItHasNamedUntilToldToForget) {
  const uint64_t identity = Identity();
  ASSERT_NE(Function(identity), nullptr);
  const size_t bytes = process_.byte_size();
  EXPECT_GT(bytes, 0u);
  proc_.Remove(kPid);
  EXPECT_NE(process_.FunctionOf(kCode, identity), nullptr);
  process_.Forget();
  EXPECT_EQ(process_.byte_size(), 0u);
  EXPECT_EQ(process_.FunctionOf(kCode, identity), nullptr);
}

TEST_F(PythonProcessTest, NamesNothingThatIsAnotherByNow) {
  const uint64_t seen = Identity();
  Set(kCode + layout_.code_name, kFileName);
  Write();
  EXPECT_EQ(Function(seen), nullptr);
  EXPECT_NE(Function(Identity()), nullptr);
}

TEST_F(PythonProcessTest, NamesNothingThatIsNoCode) {
  Set(kCode + 8, kStringType);
  Write();
  EXPECT_EQ(Function(Identity()), nullptr);
}

TEST_F(PythonProcessTest, TrustsNoStringAndNoTable) {
  const uint64_t identity = Identity();
  Set(kLines + 16, uint64_t{1} << 40);
  Set(kName + 16, uint64_t{1} << 40);  // longer than what is mapped
  Write();
  const PythonFunction* function = Function(identity);
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(function->lines.LineOf(0), 0u);
  EXPECT_LE(function->name.size(), 1024 + absl::string_view("shop.py:").size());
  process_.Forget();
  Set(kName + 8, kBytesType);
  Write();
  EXPECT_EQ(Function(identity), nullptr);
}

}  // namespace
}  // namespace pilotlight::agent
