#include "agent/python/python_process.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/process_memory.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kMaxThreads = 64;
constexpr size_t kMaxInterpreters = 8;
// glibc's struct pthread, at the thread pointer: what pthread_getspecific() gives is in its first block.
constexpr size_t kThreadBytes = 2304;
constexpr size_t kMaxNameCharacters = 1024;
constexpr size_t kMaxLineTableBytes = size_t{256} << 10;
constexpr size_t kTypeOffset = 8;     // of ob_type in PyObject
constexpr size_t kLengthOffset = 16;  // of ob_size in PyVarObject
constexpr size_t kBytesOffset = 32;   // of ob_sval in PyBytesObject

uint64_t WordAt(absl::string_view memory, size_t offset) {
  uint64_t word = 0;
  std::memcpy(&word, memory.data() + offset, sizeof(word));
  return word;
}

}  // namespace

absl::StatusOr<std::string> PythonProcess::Read(uint64_t address, size_t size) const {
  // Pointers may have been overwritten, and are data.
  if (static_cast<int64_t>(address) <= 0) return absl::OutOfRangeError("no address");
  ASSIGN_OR_RETURN(std::string memory, ReadProcessMemory(pid_, address, size, proc_root_));
  if (memory.size() < size) return absl::OutOfRangeError("not all of it is mapped");
  return memory;
}

absl::StatusOr<uint64_t> PythonProcess::ReadWord(uint64_t address) const {
  ASSIGN_OR_RETURN(const std::string memory, Read(address, sizeof(uint64_t)));
  return WordAt(memory, 0);
}

absl::StatusOr<std::vector<std::pair<uint64_t, uint64_t>>> PythonProcess::ReadThreads() const {
  std::vector<std::pair<uint64_t, uint64_t>> threads;
  ASSIGN_OR_RETURN(uint64_t interpreter, ReadWord(runtime_.runtime + layout_->interpreters_head));
  for (size_t i = 0; interpreter != 0 && i < kMaxInterpreters; ++i) {
    ASSIGN_OR_RETURN(uint64_t state, ReadWord(interpreter + layout_->threads_head));
    while (state != 0 && threads.size() < kMaxThreads) {
      ASSIGN_OR_RETURN(const uint64_t thread, ReadWord(state + layout_->program.thread_id));
      if (thread != 0) threads.emplace_back(thread, state);
      ASSIGN_OR_RETURN(state, ReadWord(state + layout_->thread_next));
    }
    ASSIGN_OR_RETURN(interpreter, ReadWord(interpreter + layout_->interpreter_next));
  }
  return threads;
}

absl::StatusOr<pl_python_program> PythonProcess::FindProgram() {
  const auto refusal = [](const absl::Status& status) {
    if (absl::IsPermissionDenied(status)) {
      return absl::PermissionDeniedError("python's memory not readable");
    }
    return absl::IsUnimplemented(status) ? status : absl::UnavailableError(status.message());
  };
  if (!layout_.has_value()) {
    const absl::StatusOr<std::string> start = Read(runtime_.runtime, kPythonDebugOffsetsBytes);
    if (absl::IsPermissionDenied(start.status())) return refusal(start.status());
    ASSIGN_OR_RETURN(layout_, FindPythonLayout(runtime_.minor, start.ok() ? *start : ""));
  }
  const auto threads = ReadThreads();
  if (!threads.ok()) return refusal(threads.status());
  // A thread has its state among what it keeps by pthread_setspecific(). Where that is depends on the C
  // library and on the order of its keys: it is the place at which all threads have theirs.
  std::map<size_t, size_t> places;
  for (const auto& [thread, state] : *threads) {
    const absl::StatusOr<std::string> memory = Read(thread, kThreadBytes);
    if (!memory.ok()) continue;  // it has ended
    for (size_t at = 0; at < kThreadBytes; at += sizeof(uint64_t)) {
      if (WordAt(*memory, at) == state) ++places[at];
    }
  }
  const auto best = std::max_element(places.begin(), places.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best == places.end()) return absl::UnavailableError("no thread has a state");
  pl_python_program program = layout_->program;
  program.thread_state = static_cast<int32_t>(best->first);
  return program;
}

std::optional<std::string> PythonProcess::ReadString(uint64_t address) const {
  const absl::StatusOr<std::string> head = Read(address, kPythonStringHeadBytes);
  if (!head.ok()) return std::nullopt;
  const PythonString string = ParsePythonString(*head);
  if (string.type != runtime_.string_type || string.bytes_of_character == 0) return std::nullopt;
  const size_t size =
      std::min<uint64_t>(string.length, kMaxNameCharacters) * static_cast<size_t>(string.bytes_of_character);
  if (size == 0) return "";
  const absl::StatusOr<std::string> bytes =
      Read(address + (string.ascii ? layout_->string_data : layout_->unicode_data), size);
  if (!bytes.ok()) return std::nullopt;
  return DecodePythonText(*bytes, string.bytes_of_character);
}

// Empty when there is none at the address.
absl::string_view PythonProcess::ReadBytes(uint64_t address, std::string& memory) const {
  const absl::StatusOr<std::string> head = Read(address, kBytesOffset);
  if (!head.ok() || WordAt(*head, kTypeOffset) != runtime_.bytes_type) return {};
  const uint64_t size = WordAt(*head, kLengthOffset);
  if (size == 0 || size > kMaxLineTableBytes) return {};
  absl::StatusOr<std::string> bytes = Read(address + kBytesOffset, size);
  if (!bytes.ok()) return {};
  memory = *std::move(bytes);
  return memory;
}

std::optional<std::string> PythonProcess::ReadCode(uint64_t address, uint64_t identity) const {
  constexpr size_t kBytes = PL_PYTHON_IDENTITY_OFFSET + PL_PYTHON_IDENTITY_WORDS * sizeof(uint64_t);
  absl::StatusOr<std::string> code = Read(address, kBytes);
  if (!code.ok() || WordAt(*code, kTypeOffset) != runtime_.code_type) return std::nullopt;
  __u64 words[PL_PYTHON_IDENTITY_WORDS];
  std::memcpy(words, code->data() + PL_PYTHON_IDENTITY_OFFSET, sizeof(words));
  uint64_t name_hash = 0;
  if (layout_->program.hashes_name != 0) {
    const absl::StatusOr<uint64_t> hash = ReadWord(words[PL_PYTHON_NAME_WORD] + PL_PYTHON_STRING_HASH);
    if (!hash.ok()) return std::nullopt;
    name_hash = *hash;
  }
  if (pl_python_identity(words, name_hash) != identity) return std::nullopt;
  return *std::move(code);
}

std::unique_ptr<PythonFunction> PythonProcess::ReadFunction(uint64_t address, uint64_t identity) const {
  if (!layout_.has_value()) return nullptr;
  const std::optional<std::string> code = ReadCode(address, identity);
  if (!code.has_value()) return nullptr;
  std::optional<std::string> file = ReadString(WordAt(*code, layout_->code_file));
  const std::optional<std::string> name = ReadString(WordAt(*code, layout_->code_name));
  if (!file.has_value() || !name.has_value() || name->empty()) return nullptr;
  int32_t first_line = 0;
  std::memcpy(&first_line, code->data() + layout_->code_first_line, sizeof(first_line));
  std::string table;
  PythonLines lines = PythonLines::Parse(ReadBytes(WordAt(*code, layout_->code_lines), table), first_line);
  // It was there all the time.
  if (!ReadCode(address, identity).has_value()) return nullptr;
  auto function = std::make_unique<PythonFunction>();
  function->name = PythonFunctionName(*file, *name);
  function->file = *std::move(file);
  function->first_line = first_line > 0 ? static_cast<uint32_t>(first_line) : 0;
  function->lines = std::move(lines);
  return function;
}

const PythonFunction* PythonProcess::FunctionOf(uint64_t code, uint64_t identity) {
  const auto known = functions_.find({code, identity});
  if (known != functions_.end()) return known->second.get();
  std::unique_ptr<PythonFunction> function = ReadFunction(code, identity);
  if (function == nullptr) return nullptr;
  bytes_ += function->byte_size();
  return functions_.emplace(Code{code, identity}, std::move(function)).first->second.get();
}

void PythonProcess::Forget() {
  functions_.clear();
  bytes_ = 0;
}

}  // namespace pilotlight::agent
