#include "agent/capture/ebpf/unwind_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "sampler_bpf.skel.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kPageBytes = uint64_t{1} << PL_PAGE_SHIFT;

// The program knows the rules by these numbers.
static_assert(static_cast<int>(CfaRule::kUnknown) == PL_CFA_UNKNOWN);
static_assert(static_cast<int>(CfaRule::kOutermost) == PL_CFA_OUTERMOST);
static_assert(static_cast<int>(CfaRule::kStackPointer) == PL_CFA_STACK_POINTER);
static_assert(static_cast<int>(CfaRule::kFramePointer) == PL_CFA_FRAME_POINTER);
static_assert(static_cast<int>(CfaRule::kAtStackPointer) == PL_CFA_AT_STACK_POINTER);
static_assert(static_cast<int>(CfaRule::kAtFramePointer) == PL_CFA_AT_FRAME_POINTER);
static_assert(static_cast<int>(CfaRule::kPlt) == PL_CFA_PLT);
static_assert(static_cast<int>(CfaRule::kSignalFrame) == PL_CFA_SIGNAL_FRAME);
static_assert(static_cast<int>(CfaRule::kFrameChain) == PL_CFA_FRAME_CHAIN);
static_assert(static_cast<int>(CfaRule::kFrameChainUnconfirmed) == PL_CFA_FRAME_CHAIN_UNCONFIRMED);
static_assert(static_cast<int>(FpRule::kSame) == PL_FP_SAME);
static_assert(static_cast<int>(FpRule::kAtCfa) == PL_FP_AT_CFA);
static_assert(static_cast<int>(FpRule::kAtFramePointer) == PL_FP_AT_FRAME_POINTER);

absl::Status Full(absl::string_view what, size_t limit) {
  return absl::ResourceExhaustedError(absl::StrCat("no room for more than ", limit, " ", what));
}

}  // namespace

// Cuts the rows of one binary into pages.
class UnwindMaps::TableWriter {
 public:
  explicit TableWriter(UnwindMaps& maps) : maps_(maps), first_page_(maps.used_pages_) {}

  void Add(uint64_t address, const UnwindRule& rule) {
    if (!status_.ok()) return;
    if (!started_) {
      started_ = true;
      base_ = address & ~(kPageBytes - 1);
      page_ = base_;
    }
    while (address - page_ >= kPageBytes && status_.ok()) FinishPage();
    const uint16_t begin = static_cast<uint16_t>(address - page_);
    if (rows_.empty() && begin > 0) rows_.push_back({.begin = 0, .rule = rule_});
    rule_ = maps_.NumberOf(rule);
    rows_.push_back({.begin = begin, .rule = rule_});
  }

  absl::StatusOr<UnwindTable> Finish() && {
    if (started_ && status_.ok() && !rows_.empty()) FinishPage();
    if (!status_.ok()) return status_;
    maps_.used_pages_ = first_page_ + pages_;
    maps_.rows_ += row_count_;
    return UnwindTable{.base = base_, .first_page = first_page_, .pages = pages_};
  }

 private:
  void FinishPage() {
    if (rows_.empty()) rows_.push_back({.begin = 0, .rule = rule_});
    if (first_page_ + pages_ >= PL_MAX_PAGES) {
      status_ = Full("pages of code", PL_MAX_PAGES);
      return;
    }
    if (maps_.chunks_.empty() || PL_ROWS_OF_CHUNK - maps_.open_chunk_rows_ < rows_.size()) {
      status_ = maps_.AddChunk();
      if (!status_.ok()) return;
    }
    pl_rows& chunk = maps_.open_chunk_->elements()[0];
    std::ranges::copy(rows_, chunk.rows + maps_.open_chunk_rows_);
    maps_.pages_.elements()[first_page_ + pages_] = {.chunk = static_cast<uint16_t>(maps_.chunks_.size() - 1),
                                                     .first = static_cast<uint16_t>(maps_.open_chunk_rows_),
                                                     .count = static_cast<uint32_t>(rows_.size())};
    maps_.open_chunk_rows_ += static_cast<uint32_t>(rows_.size());
    row_count_ += rows_.size();
    ++pages_;
    page_ += kPageBytes;
    rows_.clear();
  }

  UnwindMaps& maps_;
  const uint32_t first_page_;
  bool started_ = false;
  uint64_t base_ = 0;
  uint64_t page_ = 0;  // address of the one in hand
  uint32_t pages_ = 0;
  uint16_t rule_ = 0;  // the one that holds at the end of `rows_`
  std::vector<pl_row> rows_;
  size_t row_count_ = 0;
  absl::Status status_;
};

absl::StatusOr<UnwindMaps> UnwindMaps::Create(sampler_bpf& skeleton) {
  ASSIGN_OR_RETURN(auto mappings,
                   MappedArray<pl_mapping>::Map(bpf_map__fd(skeleton.maps.mappings), PL_MAX_MAPPINGS));
  ASSIGN_OR_RETURN(auto pages, MappedArray<pl_page>::Map(bpf_map__fd(skeleton.maps.pages), PL_MAX_PAGES));
  ASSIGN_OR_RETURN(auto rules, MappedArray<pl_rule>::Map(bpf_map__fd(skeleton.maps.rules), PL_MAX_RULES));
  return UnwindMaps(skeleton, std::move(mappings), std::move(pages), std::move(rules));
}

UnwindMaps::UnwindMaps(sampler_bpf& skeleton, MappedArray<pl_mapping> mappings, MappedArray<pl_page> pages,
                       MappedArray<pl_rule> rules)
    : skeleton_(&skeleton),
      mappings_(std::move(mappings)),
      pages_(std::move(pages)),
      rules_(std::move(rules)) {
  rule_numbers_[UnwindRule{}] = 0;
}

uint16_t UnwindMaps::NumberOf(const UnwindRule& rule) {
  const auto known = rule_numbers_.find(rule);
  if (known != rule_numbers_.end()) return known->second;
  if (rule_numbers_.size() >= PL_MAX_RULES) return 0;
  const uint16_t number = static_cast<uint16_t>(rule_numbers_.size());
  rules_.elements()[number] = {.cfa = static_cast<uint8_t>(rule.cfa),
                               .fp = static_cast<uint8_t>(rule.fp),
                               .cfa_addend = rule.cfa_addend,
                               .cfa_offset = rule.cfa_offset,
                               .fp_offset = rule.fp_offset,
                               .ra_offset = rule.ra_offset};
  rule_numbers_[rule] = number;
  return number;
}

absl::Status UnwindMaps::AddChunk() {
  if (chunks_.size() >= PL_MAX_CHUNKS) return Full("rows", size_t{PL_MAX_CHUNKS} * PL_ROWS_OF_CHUNK);
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = BPF_F_MMAPABLE;
  UniqueFd chunk(bpf_map_create(BPF_MAP_TYPE_ARRAY, "row_chunk", sizeof(uint32_t), sizeof(pl_rows),
                                /*max_entries=*/1, &options));
  if (!chunk.valid()) return absl::ErrnoToStatus(errno, "making room for rows of unwind tables");
  ASSIGN_OR_RETURN(MappedArray<pl_rows> mapped, MappedArray<pl_rows>::Map(chunk.get(), 1));
  const uint32_t number = static_cast<uint32_t>(chunks_.size());
  const int fd = chunk.get();
  if (bpf_map__update_elem(skeleton_->maps.row_chunks, &number, sizeof(number), &fd, sizeof(fd), BPF_ANY) !=
      0) {
    return absl::ErrnoToStatus(errno, "adding rows of unwind tables");
  }
  chunks_.push_back(std::move(chunk));
  // Those that are full are not mapped: they would count as the agent's memory once more.
  open_chunk_.emplace(std::move(mapped));
  open_chunk_rows_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<UnwindTable> UnwindMaps::AddTable(absl::FunctionRef<absl::Status(RowSink)> read) {
  TableWriter writer(*this);
  RETURN_IF_ERROR(read([&](uint64_t address, const UnwindRule& rule) { writer.Add(address, rule); }));
  return std::move(writer).Finish();
}

absl::Status UnwindMaps::SetProcess(pid_t pid, absl::Span<const UnwindMapping> mappings) {
  if (mappings.size() > PL_MAX_MAPPINGS_OF_PROCESS) {
    ForgetProcess(pid);
    return Full("mappings of a process", PL_MAX_MAPPINGS_OF_PROCESS);
  }
  const Range range = {.first = used_mappings_, .count = static_cast<uint32_t>(mappings.size())};
  if (PL_MAX_MAPPINGS - used_mappings_ < mappings.size()) {
    ForgetProcess(pid);
    return Full("mappings", PL_MAX_MAPPINGS);
  }
  for (size_t i = 0; i < mappings.size(); ++i) {
    const UnwindMapping& mapping = mappings[i];
    mappings_.elements()[range.first + i] = {.start = mapping.start,
                                             .end = mapping.end,
                                             .base = mapping.table.base + mapping.load_bias,
                                             .first_page = mapping.table.first_page,
                                             .pages = mapping.table.pages};
  }
  used_mappings_ += range.count;
  RETURN_IF_ERROR(Publish(pid, range));
  processes_[pid] = range;
  return absl::OkStatus();
}

absl::Status UnwindMaps::Publish(pid_t pid, const Range& range) {
  const uint32_t tgid = static_cast<uint32_t>(pid);
  const pl_unwound value = {.first = range.first, .count = range.count, .unmapped = 0};
  const int error =
      bpf_map__update_elem(skeleton_->maps.unwound, &tgid, sizeof(tgid), &value, sizeof(value), BPF_ANY);
  ++skeleton_->bss->programs_generation;
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(-error, "telling how to unwind a process");
}

void UnwindMaps::ForgetProcess(pid_t pid) {
  if (processes_.erase(pid) == 0) return;
  const uint32_t tgid = static_cast<uint32_t>(pid);
  bpf_map__delete_elem(skeleton_->maps.unwound, &tgid, sizeof(tgid), /*flags=*/0);
  ++skeleton_->bss->programs_generation;
}

void UnwindMaps::Compact() {
  std::vector<std::pair<pid_t, Range>> in_order(processes_.begin(), processes_.end());
  std::ranges::sort(in_order, {}, [](const auto& process) { return process.second.first; });
  used_mappings_ = 0;
  for (auto& [pid, range] : in_order) {
    const auto from = mappings_.elements().begin() + range.first;
    std::copy(from, from + range.count, mappings_.elements().begin() + used_mappings_);
    range.first = used_mappings_;
    used_mappings_ += range.count;
    if (Publish(pid, range).ok()) {
      processes_[pid] = range;
    } else {
      ForgetProcess(pid);
    }
  }
}

void UnwindMaps::Clear() {
  while (!processes_.empty()) ForgetProcess(processes_.begin()->first);
  for (uint32_t number = 0; number < chunks_.size(); ++number) {
    bpf_map__delete_elem(skeleton_->maps.row_chunks, &number, sizeof(number), /*flags=*/0);
  }
  chunks_.clear();
  open_chunk_.reset();
  open_chunk_rows_ = 0;
  used_pages_ = kFirstPage;
  used_mappings_ = 0;
  rows_ = 0;
  rule_numbers_ = {{UnwindRule{}, 0}};
}

}  // namespace pilotlight::agent
