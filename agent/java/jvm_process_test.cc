#include "agent/java/jvm_process.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kStart = 0x10000;

// The memory of a process, with HotSpot's tables in it.
class Image {
 public:
  uint64_t Add(const std::string& bytes) {
    const uint64_t address = kStart + bytes_.size();
    bytes_ += bytes;
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    return address;
  }
  uint64_t AddName(const std::string& name) { return Add(name + '\0'); }
  uint64_t AddWords(const std::vector<uint64_t>& words) {
    return Add(std::string(reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t)));
  }
  void Set(uint64_t address, uint64_t word) {
    std::memcpy(bytes_.data() + (address - kStart), &word, sizeof(word));
  }
  absl::StatusOr<std::string> Read(uint64_t address, size_t size) const {
    if (address < kStart || address - kStart >= bytes_.size()) return absl::UnavailableError("not mapped");
    return bytes_.substr(address - kStart, size);
  }

 private:
  std::string bytes_;
};

// As JDK 17 has them, by "Type", "field", and its offset.
struct Field {
  std::string type;
  std::string name;
  bool is_static;
  uint64_t value;
};

struct Machine {
  Image image;
  HotSpotSymbols symbols = {};
  uint64_t heaps = 0;  // address of CodeCache::_heaps
  uint64_t heap = 0;   // of the first CodeHeap

  auto reader() const {
    return [this](uint64_t address, size_t size) { return image.Read(address, size); };
  }
  absl::StatusOr<pl_jvm_program> Find() const {
    const absl::StatusOr<HotSpotTables> tables = HotSpotTables::Read(symbols, reader());
    if (!tables.ok()) return tables.status();
    const absl::StatusOr<JvmLayout> layout = FindJvmLayout(*tables);
    if (!layout.ok()) return layout.status();
    return FindJvmProgram(*layout, reader());
  }
};

constexpr uint64_t kCode = 0x7f0000000000;
constexpr uint64_t kCodeBytes = 48 << 20;
constexpr uint64_t kSegments = 0x7f1000000000;
constexpr uint64_t kInterpreter = kCode + 0x1000;

// Without the field of that name, if any.
Machine MakeMachine(const std::string& left_out = "") {
  Machine machine;
  Image& image = machine.image;
  // A VirtualSpace at 8 and one at 120; log2 of the segments' size at 256.
  std::vector<uint64_t> heap(33);
  heap[1] = kCode;
  heap[2] = kCode + kCodeBytes;
  heap[17] = kSegments;
  heap[32] = 7;
  machine.heap = image.AddWords(heap);
  const uint64_t list = image.AddWords({machine.heap});
  const uint64_t array = image.AddWords({1, list});
  machine.heaps = image.AddWords({array});
  const uint64_t low = image.AddWords({kCode});
  const uint64_t high = image.AddWords({kCode + kCodeBytes});
  const uint64_t stubs = image.AddWords({0, kInterpreter, uint64_t{0x20000} << 32});
  const uint64_t interpreter = image.AddWords({stubs});
  const std::vector<Field> fields = {{"CodeCache", "_heaps", true, machine.heaps},
                                     {"CodeCache", "_low_bound", true, low},
                                     {"CodeCache", "_high_bound", true, high},
                                     {"AbstractInterpreter", "_code", true, interpreter},
                                     {"GrowableArrayBase", "_len", false, 0},
                                     {"GrowableArray<int>", "_data", false, 8},
                                     {"CodeHeap", "_memory", false, 8},
                                     {"CodeHeap", "_segmap", false, 120},
                                     {"CodeHeap", "_log2_segment_size", false, 256},
                                     {"VirtualSpace", "_low_boundary", false, 0},
                                     {"VirtualSpace", "_high_boundary", false, 8},
                                     {"VirtualSpace", "_low", false, 16},
                                     {"StubQueue", "_stub_buffer", false, 8},
                                     {"StubQueue", "_buffer_limit", false, 20},
                                     {"HeapBlock::Header", "_used", false, 8},
                                     {"CodeBlob", "_frame_size", false, 28},
                                     {"CodeBlob", "_frame_complete_offset", false, 20},
                                     {"CodeBlob", "_code_begin", false, 32},
                                     {"CompiledMethod", "_deopt_handler_begin", false, 128},
                                     {"Method", "_constMethod", false, 8}};
  std::vector<uint64_t> structs;
  for (const Field& field : fields) {
    if (field.name == left_out) continue;
    const uint64_t type = image.AddName(field.type);
    const uint64_t name = image.AddName(field.name);
    structs.insert(structs.end(), {type, name, field.is_static ? 1U : 0U, field.is_static ? 0 : field.value,
                                   field.is_static ? field.value : 0});
  }
  structs.insert(structs.end(), 5, 0);
  const uint64_t block = image.AddName("HeapBlock");
  const std::vector<uint64_t> values = {image.AddWords(structs),           40, 0, 8, 16, 24, 32,
                                        image.AddWords({block, 16, 0, 0}), 16, 0, 8};
  for (size_t i = 0; i < values.size(); ++i) machine.symbols[i] = image.AddWords({values[i]});
  return machine;
}

TEST(JvmProcessTest, FindsTheCodeHeapsAndTheInterpreter) {
  const absl::StatusOr<pl_jvm_program> program = MakeMachine().Find();
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->start, kCode);
  EXPECT_EQ(program->bytes, kCodeBytes);
  EXPECT_EQ(program->heaps[0].start, kCode);
  EXPECT_EQ(program->heaps[0].end, kCode + kCodeBytes);
  EXPECT_EQ(program->heaps[0].segments, kSegments);
  EXPECT_EQ(program->heaps[1].end, 0U);
  EXPECT_EQ(program->segment_shift, 7);
  EXPECT_EQ(program->interpreter, kInterpreter);
  EXPECT_EQ(program->interpreter_bytes, 0x20000U);
}

TEST(JvmProcessTest, CountsTheBlobsFieldsFromTheBeginOfItsBlock) {
  const absl::StatusOr<pl_jvm_program> program = MakeMachine().Find();
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->block_used, 8);
  EXPECT_EQ(program->blob_frame_size, 16 + 28);
  EXPECT_EQ(program->blob_frame_complete, 16 + 20);
  EXPECT_EQ(program->blob_code, 16 + 32);
  EXPECT_EQ(program->blob_deoptimized, 16 + 128);
  EXPECT_EQ(program->method_constants, 8);
}

TEST(JvmProcessTest, IsToBeAskedAgainWhileTheMachineIsNotSetUp) {
  Machine machine = MakeMachine();
  machine.image.Set(machine.heaps, 0);
  EXPECT_EQ(machine.Find().status().code(), absl::StatusCode::kUnavailable);
}

TEST(JvmProcessTest, SaysWhichFieldIsMissing) {
  const absl::Status status = MakeMachine("_frame_size").Find().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), "jvm without CodeBlob::_frame_size not supported");
}

TEST(JvmProcessTest, RefusesAHeapOutsideOfTheCodeCache) {
  Machine machine = MakeMachine();
  machine.image.Set(machine.heap + 16, kCode + kCodeBytes + 1);
  EXPECT_EQ(machine.Find().status().code(), absl::StatusCode::kUnimplemented);
}

TEST(JvmProcessTest, RefusesSegmentsOfNoSize) {
  Machine machine = MakeMachine();
  machine.image.Set(machine.heap + 256, 0);
  EXPECT_EQ(machine.Find().status().code(), absl::StatusCode::kUnimplemented);
}

TEST(JvmProcessTest, RefusesTablesWhoseNamesHaveNoEnd) {
  Machine machine = MakeMachine();
  const uint64_t endless = machine.image.Add(std::string(4096, 'x'));
  machine.image.Set(machine.symbols[0], machine.image.AddWords({endless, endless, 0, 0, 0}));
  EXPECT_FALSE(machine.Find().ok());
}

TEST(JvmProcessTest, EndsTablesThatHaveNoEnd) {
  Machine machine = MakeMachine();
  machine.image.Set(machine.symbols[1], 0);  // all entries are the first
  EXPECT_EQ(machine.Find().status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace pilotlight::agent
