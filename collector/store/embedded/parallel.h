// Work on many blocks, by more than one thread.
#pragma once

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace pilotlight::collector {

// How many threads are worth it for so many blocks; at least 1.
size_t WorkersFor(size_t blocks);

// Calls work(worker, i) for each i below `count`, each once, on `workers` threads, of which the caller is
// worker 0. Returns when all is done.
void RunParallel(size_t count, size_t workers, absl::FunctionRef<void(size_t worker, size_t i)> work);

}  // namespace pilotlight::collector
