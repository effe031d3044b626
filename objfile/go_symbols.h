// Names, files, lines and inlined calls of Go code, from the tables that the Go runtime itself needs and that
// stripping therefore leaves: .gopclntab and moduledata.
// Layouts: runtime/symtab.go, runtime/runtime2.go (_func), runtime/symtabinl.go, cmd/link/internal/ld/pcln.go
// of Go 1.18 to 1.26.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "objfile/elf_file.h"
#include "objfile/source_frame.h"

namespace pilotlight {

// Where the parts of the tables are. Addresses are the ELF file's.
struct GoTables {
  // Of struct _func and of inlinedCall: Go 1.18 and 1.19, or 1.20 and later.
  enum class Layout { kGo118, kGo120 };
  Layout layout = Layout::kGo120;
  uint64_t header = 0;  // address of the pcHeader
  uint64_t size = 0;    // of the table at most, in bytes
  uint32_t pc_quantum = 1;
  uint32_t function_count = 0;
  uint64_t names = 0;      // offsets from `header`, strictly inside `size`
  uint64_t units = 0;      // cutab
  uint64_t files = 0;      // filetab
  uint64_t pc_tables = 0;  // pctab
  uint64_t functions = 0;  // ftab, then the _func records
  uint64_t text = 0;       // address that the function table counts from
  // Base of the functions' data, 0 when moduledata was not found: then inlined calls cannot be told.
  uint64_t function_data = 0;
};

// Finds and checks the tables. Does not trust the magic (garble overwrites it): the structure must fit.
// NotFound when there are none, InvalidArgument when there is a header but what it leads to is broken.
absl::StatusOr<GoTables> FindGoTables(const ElfFile& elf);

// The Go version that .go.buildinfo states ("go1.22.12"), or empty (garble empties it).
std::string ReadGoVersion(const ElfFile& elf);

class GoSymbols {
 public:
  // A function that is in the binary by itself, not inlined.
  struct Function {
    uint64_t entry = 0;
    uint64_t end = 0;
    std::string name;
    uint8_t func_id = 0;  // internal/abi.FuncID; 0 for ordinary functions. The numbers depend on the version
  };

  // Keeps a reference to `elf`. Costs one pass over the function table, keeps a few kB.
  static absl::StatusOr<std::unique_ptr<GoSymbols>> Create(const ElfFile& elf);

  // Appends the frames at `address`, the innermost inlined function first. False, and nothing appended, when
  // no Go function is there. A name that the file does not have (garble -tiny) stays empty, except those of
  // the runtime's special functions, which their number tells.
  bool Lookup(uint64_t address, std::vector<SourceFrame>& frames) const;
  // The function there has not moved the stack pointer yet, or moved it back: its return address is on the
  // top of the stack (runtime.funcspdelta). False where no Go function is.
  bool IsFrameless(uint64_t address) const;
  std::optional<Function> FindFunction(uint64_t address) const;
  // By its number in the table, 0 to function_count() - 1.
  std::optional<Function> FunctionAt(uint32_t index) const;
  // Looks at all of them.
  bool HasFunction(absl::string_view name) const;
  uint32_t function_count() const { return tables_.function_count; }

  bool IsMcall(const Function& function) const { return function.func_id == mcall_id_; }
  bool IsMorestack(const Function& function) const { return function.func_id == mcall_id_ + 1; }
  // What its runtime is made of is known: 1.18 to 1.26.
  bool has_known_runtime() const { return go_minor_version_ >= 18 && go_minor_version_ <= 26; }
  const std::string& go_version() const { return go_version_; }
  // 22 of "go1.22.12"; 0 when the file does not say.
  int go_minor_version() const { return go_minor_version_; }
  const GoTables& tables() const { return tables_; }
  size_t byte_size() const { return sizeof(*this) + index_.capacity() * sizeof(uint32_t); }

 private:
  struct Record;  // a _func
  struct Location {
    uint32_t index = 0;
    uint32_t entry = 0;  // offsets from `text`
    uint32_t end = 0;
    uint32_t record = 0;  // offset from `functions`
  };

  GoSymbols(const ElfFile& elf, const GoTables& tables) : elf_(elf), tables_(tables) {}
  absl::Status BuildIndex();
  void GuessVersion();
  std::optional<Location> Locate(uint64_t address) const;
  std::optional<Location> LocationAt(uint32_t index) const;
  bool ReadRecord(const Location& location, Record& record) const;
  std::string Name(uint64_t name_offset, uint8_t func_id) const;
  // The value of a pc-value table (runtime.pcvalue) at `target`, an offset from `text`; -1 when there is
  // none.
  int32_t PcValue(uint32_t table, uint32_t entry, uint32_t target, uint64_t& budget) const;
  void SourcePosition(const Record& record, uint32_t target, uint64_t& budget, SourceFrame& frame) const;

  static constexpr uint32_t kIndexStride = 64;
  const ElfFile& elf_;
  const GoTables tables_;
  uint64_t header_offset_ = 0;   // in the file
  std::vector<uint32_t> index_;  // entry of every kIndexStride-th function
  std::string go_version_;
  int go_minor_version_ = 0;
  uint8_t mcall_id_ = 0;
  bool ids_of_122_ = false;  // corostart took number 5 in Go 1.22, and moved those behind it
};

}  // namespace pilotlight
