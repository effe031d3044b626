#include "objfile/demangle.h"

#include <csetjmp>
#include <cstddef>
#include <cstdint>

#include "objfile/source_frame.h"

// Not <libiberty/demangle.h>: it pulls in macros that clash with the C++ library.
extern "C" {
int cplus_demangle_v3_callback(const char* mangled, int options, void (*callback)(const char*, size_t, void*),
                               void* opaque);
int rust_demangle_callback(const char* mangled, int options, void (*callback)(const char*, size_t, void*),
                           void* opaque);
}

namespace pilotlight {
namespace {

constexpr int kParameters = 1 << 0;      // DMGL_PARAMS
constexpr int kAnsi = 1 << 1;            // DMGL_ANSI
constexpr int kDropReturnType = 1 << 6;  // DMGL_RET_DROP
constexpr size_t kMaxMangledBytes = 4096;

struct Output {
  std::string text;
  bool too_long = false;
  std::jmp_buf overflow;
};

// Back references let a name of a hundred bytes demangle to more text than there are atoms; libiberty prints
// on and on, and its callback cannot stop it. Leaving by longjmp is safe: only C frames without clean-up are
// in between, and the one place that holds memory while it prints (Rust's punycode identifiers) prints single
// characters, never these separators.
bool MayLeave(const char* piece, size_t size) {
  if (size > 4) return true;
  for (size_t i = 0; i < size; ++i) {
    const char c = piece[i];
    if (c == ':' || c == '<' || c == '>' || c == ',' || c == ' ' || c == '(' || c == '&') return true;
  }
  return false;
}

void Append(const char* piece, size_t size, void* opaque) {
  auto* output = static_cast<Output*>(opaque);
  if (output->text.size() + size > kMaxSymbolBytes) {
    output->too_long = true;
    if (MayLeave(piece, size)) std::longjmp(output->overflow, 1);
    return;
  }
  output->text.append(piece, size);
}

using DemangleCallback = int (*)(const char*, int, void (*)(const char*, size_t, void*), void*);

// False when `mangled` is not in this scheme, or does not fit.
bool Run(DemangleCallback demangle, const char* mangled, int options, Output& output) {
  output.text.clear();
  output.too_long = false;
  if (setjmp(output.overflow) != 0) return false;
  return demangle(mangled, options, Append, &output) != 0 && !output.too_long && !output.text.empty();
}

// The length of the valid UTF-8 character at `at`, 0 when there is none (RFC 3629).
size_t Utf8Length(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(at);
  const uint8_t second = byte(at + 1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(at + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!continues(at + 1) || !continues(at + 2)) return 0;
    const bool overlong = first == 0xe0 && second < 0xa0;
    const bool surrogate = first == 0xed && second >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!continues(at + 1) || !continues(at + 2) || !continues(at + 3)) return 0;
    const bool overlong = first == 0xf0 && second < 0x90;
    const bool too_large = first == 0xf4 && second >= 0x90;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

}  // namespace

std::string Demangle(absl::string_view name) {
  const size_t version = name.find('@');
  if (version != absl::string_view::npos && version > 0) name = name.substr(0, version);
  std::string mangled(name.substr(0, kMaxSymbolBytes));
  if (mangled.size() > kMaxMangledBytes || mangled.size() < 3 || mangled[0] != '_') return mangled;
  Output output;
  if (mangled[1] == 'R' || (mangled[1] == 'Z' && mangled[2] == 'N')) {
    if (Run(rust_demangle_callback, mangled.c_str(), 0, output)) return output.text;
  }
  if (mangled[1] == 'Z') {
    constexpr int kOptions = kParameters | kAnsi | kDropReturnType;
    if (Run(cplus_demangle_v3_callback, mangled.c_str(), kOptions, output)) return output.text;
  }
  return mangled;
}

std::string CleanName(std::string name) {
  for (size_t i = 0; i < name.size();) {
    const size_t length = Utf8Length(name, i);
    const auto byte = static_cast<uint8_t>(name[i]);
    if (length == 0 || byte < 0x20 || byte == 0x7f) name[i] = '?';
    i += length == 0 ? 1 : length;
  }
  if (name.size() >= kMaxSymbolBytes) {
    size_t end = kMaxSymbolBytes - 3;
    while (end > 0 && (static_cast<uint8_t>(name[end]) & 0xc0) == 0x80) --end;
    name.resize(end);
    name += "…";
  }
  return name;
}

}  // namespace pilotlight
