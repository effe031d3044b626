#include "collector/store/embedded/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace pilotlight::collector {

size_t WorkersFor(size_t blocks) {
  // A thread costs as much as reading a few blocks, and other questions want their share of the CPUs.
  constexpr size_t kBlocksOfWorker = 16;
  constexpr size_t kMostWorkers = 4;
  const size_t cpus = std::max(1u, std::thread::hardware_concurrency());
  return std::clamp(blocks / kBlocksOfWorker, size_t{1}, std::min(cpus, kMostWorkers));
}

void RunParallel(size_t count, size_t workers, absl::FunctionRef<void(size_t worker, size_t i)> work) {
  std::atomic<size_t> next{0};
  const auto run = [&](size_t worker) {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(worker, i);
  };
  std::vector<std::thread> threads;
  for (size_t worker = 1; worker < workers; ++worker) threads.emplace_back(run, worker);
  run(0);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace pilotlight::collector
