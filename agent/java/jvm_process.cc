#include "agent/java/jvm_process.h"

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/process_memory.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kMaxCodeBytes = uint64_t{1} << 32;

absl::Status Unsupported(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat("jvm without ", what, " not supported"));
}

// What is read in two places goes into one field.
class FieldReader {
 public:
  explicit FieldReader(const HotSpotTables& tables) : tables_(tables) {}

  uint64_t Field(absl::string_view name) { return Note(name, tables_.Field(name)); }
  uint64_t SizeOf(absl::string_view type) { return Note(type, tables_.SizeOf(type)); }
  // REQUIRES: the structure begins at `base` of what the BPF program reads.
  uint8_t InBlock(uint64_t base, absl::string_view name, size_t size) {
    const uint64_t offset = base + Field(name);
    if (offset % size != 0 || offset + size > PL_CODE_BLOB_BYTES) Note(name, std::nullopt);
    return static_cast<uint8_t>(offset);
  }
  const absl::Status& status() const { return status_; }

 private:
  uint64_t Note(absl::string_view name, const std::optional<uint64_t>& value) {
    if (!value.has_value() && status_.ok()) status_ = Unsupported(name);
    return value.value_or(0);
  }

  const HotSpotTables& tables_;
  absl::Status status_;
};

absl::StatusOr<uint64_t> ReadNumber(MemoryReader read, uint64_t address, size_t size = sizeof(uint64_t)) {
  ASSIGN_OR_RETURN(const std::string bytes, read(address, size));
  if (bytes.size() < size) return absl::UnavailableError("not all of it is mapped");
  uint64_t number = 0;
  std::memcpy(&number, bytes.data(), size);
  return number;
}

}  // namespace

absl::StatusOr<JvmLayout> FindJvmLayout(const HotSpotTables& tables) {
  FieldReader fields(tables);
  JvmLayout layout;
  layout.heaps = fields.Field("CodeCache::_heaps");
  layout.low_bound = fields.Field("CodeCache::_low_bound");
  layout.high_bound = fields.Field("CodeCache::_high_bound");
  layout.interpreter = fields.Field("AbstractInterpreter::_code");
  const bool is_old = tables.Field("GenericGrowableArray::_len").has_value();  // up to JDK 15
  layout.array_length = fields.Field(is_old ? "GenericGrowableArray::_len" : "GrowableArrayBase::_len");
  layout.array_data = fields.Field("GrowableArray<int>::_data");
  const uint64_t memory = fields.Field("CodeHeap::_memory");
  layout.heap_low = memory + fields.Field("VirtualSpace::_low_boundary");
  layout.heap_high = memory + fields.Field("VirtualSpace::_high_boundary");
  layout.heap_segments = fields.Field("CodeHeap::_segmap") + fields.Field("VirtualSpace::_low");
  layout.heap_segment_shift = fields.Field("CodeHeap::_log2_segment_size");
  layout.stubs_start = fields.Field("StubQueue::_stub_buffer");
  layout.stubs_bytes = fields.Field("StubQueue::_buffer_limit");
  const uint64_t header = fields.SizeOf("HeapBlock");
  pl_jvm_program& program = layout.program;
  program.block_used = fields.InBlock(0, "HeapBlock::Header::_used", sizeof(uint32_t));
  program.blob_frame_size = fields.InBlock(header, "CodeBlob::_frame_size", sizeof(int32_t));
  program.blob_frame_complete = fields.InBlock(header, "CodeBlob::_frame_complete_offset", sizeof(int32_t));
  program.blob_code = fields.InBlock(header, "CodeBlob::_code_begin", sizeof(uint64_t));
  program.blob_deoptimized =
      fields.InBlock(header, "CompiledMethod::_deopt_handler_begin", 2 * sizeof(uint64_t));
  program.method_constants = fields.InBlock(0, "Method::_constMethod", sizeof(uint64_t));
  RETURN_IF_ERROR(fields.status());
  return layout;
}

absl::StatusOr<pl_jvm_program> FindJvmProgram(const JvmLayout& layout, MemoryReader read) {
  pl_jvm_program program = layout.program;
  ASSIGN_OR_RETURN(const uint64_t heaps, ReadNumber(read, layout.heaps));
  ASSIGN_OR_RETURN(const uint64_t interpreter, ReadNumber(read, layout.interpreter));
  ASSIGN_OR_RETURN(program.start, ReadNumber(read, layout.low_bound));
  ASSIGN_OR_RETURN(const uint64_t end, ReadNumber(read, layout.high_bound));
  if (heaps == 0 || interpreter == 0 || program.start == 0 || end == 0) {
    return absl::UnavailableError("the JVM is not set up");
  }
  if (end <= program.start || end - program.start > kMaxCodeBytes) return Unsupported("a code cache");
  program.bytes = end - program.start;
  ASSIGN_OR_RETURN(const uint64_t count, ReadNumber(read, heaps + layout.array_length, sizeof(int32_t)));
  if (count > PL_MAX_CODE_HEAPS) return Unsupported("its usual code heaps");
  ASSIGN_OR_RETURN(const uint64_t data, ReadNumber(read, heaps + layout.array_data));
  for (size_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const uint64_t heap, ReadNumber(read, data + i * sizeof(uint64_t)));
    pl_code_heap& found = program.heaps[i];
    ASSIGN_OR_RETURN(found.start, ReadNumber(read, heap + layout.heap_low));
    ASSIGN_OR_RETURN(found.end, ReadNumber(read, heap + layout.heap_high));
    ASSIGN_OR_RETURN(found.segments, ReadNumber(read, heap + layout.heap_segments));
    ASSIGN_OR_RETURN(const uint64_t shift,
                     ReadNumber(read, heap + layout.heap_segment_shift, sizeof(int32_t)));
    if (found.start < program.start || found.end < found.start || found.end > end || shift < 4 ||
        shift > 16 || (i > 0 && shift != program.segment_shift)) {
      return Unsupported("code heaps as they are known");
    }
    program.segment_shift = static_cast<uint8_t>(shift);
  }
  ASSIGN_OR_RETURN(program.interpreter, ReadNumber(read, interpreter + layout.stubs_start));
  ASSIGN_OR_RETURN(const uint64_t bytes, ReadNumber(read, interpreter + layout.stubs_bytes, sizeof(int32_t)));
  if (program.interpreter - program.start >= program.bytes || bytes > program.bytes) {
    return Unsupported("an interpreter in its code cache");
  }
  program.interpreter_bytes = static_cast<uint32_t>(bytes);
  return program;
}

absl::StatusOr<pl_jvm_program> JvmProcess::FindProgram() {
  const auto read = [this](uint64_t address, size_t size) -> absl::StatusOr<std::string> {
    if (static_cast<int64_t>(address) <= 0) return absl::UnavailableError("no address");
    absl::StatusOr<std::string> memory = ReadProcessMemory(pid_, address, size, proc_root_);
    if (memory.ok()) return memory;
    if (absl::IsPermissionDenied(memory.status())) {
      return absl::PermissionDeniedError("the JVM's memory not readable");
    }
    return absl::UnavailableError(memory.status().message());
  };
  if (!layout_.has_value()) {
    ASSIGN_OR_RETURN(const HotSpotTables tables, HotSpotTables::Read(symbols_, read));
    ASSIGN_OR_RETURN(layout_, FindJvmLayout(tables));
  }
  return FindJvmProgram(*layout_, read);
}

}  // namespace pilotlight::agent
