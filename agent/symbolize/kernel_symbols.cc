#include "agent/symbolize/kernel_symbols.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

// kallsyms does not state sizes; no function of a kernel is larger.
constexpr uint64_t kMaxFunctionBytes = 1 << 20;
constexpr size_t kMaxSymbols = 1 << 20;
constexpr size_t kMaxNameBytes = size_t{64} << 20;

size_t LeadingUnderscores(absl::string_view name) {
  return std::min(name.find_first_not_of('_'), name.size());
}

// Marks of the linker script and padding, at the addresses of real functions.
bool IsMarker(absl::string_view name) {
  return name == "_text" || name == "_stext" || absl::StartsWith(name, "__pfx_") ||
         absl::EndsWith(name, "_text_start") || absl::EndsWith(name, "_text_end");
}

}  // namespace

absl::StatusOr<KernelSymbols> KernelSymbols::Read(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenReadOnly(path));
  KernelSymbols symbols;
  std::string buffer(size_t{64} << 10, '\0');
  size_t held = 0;  // the beginning of a line whose end has not been read
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data() + held, buffer.size() - held);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, path);
    if (count == 0) break;
    absl::string_view text(buffer.data(), held + static_cast<size_t>(count));
    for (size_t end = text.find('\n'); end != absl::string_view::npos; end = text.find('\n')) {
      symbols.AddLine(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    held = text.size() < buffer.size() ? text.size() : 0;  // a line without an end is no line
    std::copy(text.begin(), text.begin() + static_cast<ptrdiff_t>(held), buffer.begin());
  }
  RETURN_IF_ERROR(symbols.Finish());
  return symbols;
}

absl::StatusOr<KernelSymbols> KernelSymbols::Parse(absl::string_view text) {
  KernelSymbols symbols;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    symbols.AddLine(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  RETURN_IF_ERROR(symbols.Finish());
  return symbols;
}

// "ffffffff81000000 T name", and "\t[module]" behind it.
void KernelSymbols::AddLine(absl::string_view line) {
  const size_t space = line.find(' ');
  if (space == absl::string_view::npos || line.size() < space + 4) return;
  const char type = line[space + 1];
  if (type != 't' && type != 'T' && type != 'w' && type != 'W') return;
  uint64_t address = 0;
  if (!absl::SimpleHexAtoi(line.substr(0, space), &address)) return;
  seen_text_ = true;
  if (address == 0) return;
  absl::string_view name = line.substr(space + 3);
  absl::string_view module;
  if (const size_t tab = name.find('\t'); tab != absl::string_view::npos) {
    module = name.substr(tab + 1);
    name = name.substr(0, tab);
  }
  if (name.empty() || IsMarker(name)) return;
  if (entries_.size() == kMaxSymbols || names_.size() > kMaxNameBytes) return;
  // The kernel proper comes first; branches between it and its modules reach 2 GiB either way.
  constexpr uint64_t kReach = uint64_t{1} << 31;
  if (entries_.empty()) base_ = (address & ~(kReach - 1)) - kReach;
  if (address < base_ || address - base_ > UINT32_MAX) return;
  entries_.push_back(
      {.offset = static_cast<uint32_t>(address - base_), .name = static_cast<uint32_t>(names_.size())});
  names_.append(name.data(), name.size());
  names_.push_back('\0');
  names_.append(module.data(), module.size());
  names_.push_back('\0');
}

bool KernelSymbols::IsBetter(const Entry& a, const Entry& b) const {
  const absl::string_view name_a = NameAt(a.name);
  const absl::string_view name_b = NameAt(b.name);
  const size_t underscores_a = LeadingUnderscores(name_a);
  const size_t underscores_b = LeadingUnderscores(name_b);
  return underscores_a != underscores_b ? underscores_a < underscores_b : name_a.size() > name_b.size();
}

absl::Status KernelSymbols::Finish() {
  if (entries_.empty()) {
    if (seen_text_)
      return absl::PermissionDeniedError("the kernel hides its addresses (kernel.kptr_restrict)");
    return absl::NotFoundError("no kernel symbols");
  }
  std::stable_sort(entries_.begin(), entries_.end(), [&](const Entry& a, const Entry& b) {
    return a.offset != b.offset ? a.offset < b.offset : IsBetter(a, b);
  });
  const auto same = [](const Entry& a, const Entry& b) { return a.offset == b.offset; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  entries_.shrink_to_fit();
  names_.shrink_to_fit();
  return absl::OkStatus();
}

KernelSymbols::Symbol KernelSymbols::Find(uint64_t address) const {
  if (address < base_ || address - base_ > UINT32_MAX) return {};
  const auto offset = static_cast<uint32_t>(address - base_);
  auto entry = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                [](uint32_t value, const Entry& e) { return value < e.offset; });
  if (entry == entries_.begin()) return {};
  --entry;
  if (offset - entry->offset >= kMaxFunctionBytes) return {};
  const absl::string_view name = NameAt(entry->name);
  absl::string_view module = NameAt(entry->name + static_cast<uint32_t>(name.size()) + 1);
  return {.name = name, .module = module};
}

}  // namespace pilotlight::agent
