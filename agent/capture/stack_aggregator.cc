#include "agent/capture/stack_aggregator.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pilotlight::agent {

StackAggregator::Position StackAggregator::Add(pid_t pid, const StackView& stack, uint64_t count) {
  const Position position = FindOrAdd(pid, stack);
  AddMore(position, count);
  return position;
}

void StackAggregator::AddStackless(pid_t pid, uint64_t count) {
  AddMore({.process = FindOrAddProcess(pid)}, count);
}

void StackAggregator::AddMore(const Position& position, uint64_t count) {
  if (position.process == kNone) {
    lost_ += count;
  } else if (position.stack == kNone) {
    processes_[position.process].stackless_samples += count;
  } else {
    processes_[position.process].stacks[position.stack].count += count;
  }
}

StackAggregator::Position StackAggregator::FindOrAdd(pid_t pid, const StackView& stack) {
  if (stack.user.empty() && stack.kernel.empty()) return {.process = FindOrAddProcess(pid)};
  const XXH128_hash_t user = XXH3_128bits(stack.user.data(), stack.user.size() * sizeof(uint64_t));
  const XXH128_hash_t kernel = XXH3_128bits(stack.kernel.data(), stack.kernel.size() * sizeof(uint64_t));
  const XXH128_hash_t wait = XXH3_128bits(stack.wait_reason.data(), stack.wait_reason.size());
  // Multiplied, so that frames that move from the one side to the other do not cancel out.
  const StackKey key(pid, user.low64 * 3 + kernel.low64 + wait.low64 * 5,
                     user.high64 * 3 + kernel.high64 + wait.high64 * 5);
  if (const auto known = stack_index_.find(key); known != stack_index_.end()) return known->second;
  const uint32_t process = FindOrAddProcess(pid);
  if (process == kNone || stack_index_.size() >= limits_.max_stacks) return {.process = process};
  std::vector<RawStack>& stacks = processes_[process].stacks;
  const Position position = {.process = process, .stack = static_cast<uint32_t>(stacks.size())};
  stack_index_[key] = position;
  stacks.push_back({.user = {stack.user.begin(), stack.user.end()},
                    .kernel = {stack.kernel.begin(), stack.kernel.end()},
                    .count = 0,
                    .truncated = stack.truncated,
                    .joined = stack.joined,
                    .with_top = stack.with_top,
                    .broken = stack.broken,
                    .wait_reason = stack.wait_reason});
  return position;
}

uint32_t StackAggregator::FindOrAddProcess(pid_t pid) {
  if (const auto known = process_index_.find(pid); known != process_index_.end()) return known->second;
  if (processes_.size() >= limits_.max_processes) return kNone;
  const uint32_t process = static_cast<uint32_t>(processes_.size());
  process_index_[pid] = process;
  processes_.push_back({.pid = pid, .stacks = {}, .stackless_samples = 0});
  return process;
}

}  // namespace pilotlight::agent
