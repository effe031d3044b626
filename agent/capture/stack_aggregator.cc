#include "agent/capture/stack_aggregator.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pilotlight::agent {

void StackAggregator::Add(pid_t pid, const StackView& stack, uint64_t count) {
  if (stack.user.empty() && stack.kernel.empty()) return AddStackless(pid, count);
  const XXH128_hash_t user = XXH3_128bits(stack.user.data(), stack.user.size() * sizeof(uint64_t));
  const XXH128_hash_t kernel = XXH3_128bits(stack.kernel.data(), stack.kernel.size() * sizeof(uint64_t));
  // Multiplied, so that frames that move from the one side to the other do not cancel out.
  const StackKey key(pid, user.low64 * 3 + kernel.low64, user.high64 * 3 + kernel.high64);
  if (const auto known = stack_index_.find(key); known != stack_index_.end()) {
    processes_[known->second.process].stacks[known->second.stack].count += count;
    return;
  }
  if (stack_index_.size() >= limits_.max_stacks) return AddStackless(pid, count);
  ProcessSamples* process = FindOrAddProcess(pid, count);
  if (process == nullptr) return;
  stack_index_[key] = {.process = process_index_[pid], .stack = process->stacks.size()};
  process->stacks.push_back({.user = {stack.user.begin(), stack.user.end()},
                             .kernel = {stack.kernel.begin(), stack.kernel.end()},
                             .count = count,
                             .truncated = stack.truncated,
                             .joined_at_mcall = stack.joined_at_mcall});
}

void StackAggregator::AddStackless(pid_t pid, uint64_t count) {
  if (ProcessSamples* process = FindOrAddProcess(pid, count)) process->stackless_samples += count;
}

ProcessSamples* StackAggregator::FindOrAddProcess(pid_t pid, uint64_t count) {
  if (const auto known = process_index_.find(pid); known != process_index_.end())
    return &processes_[known->second];
  if (processes_.size() >= limits_.max_processes) {
    lost_ += count;
    return nullptr;
  }
  process_index_[pid] = processes_.size();
  processes_.push_back({.pid = pid, .stacks = {}, .stackless_samples = 0});
  return &processes_.back();
}

}  // namespace pilotlight::agent
