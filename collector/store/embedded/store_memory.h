// The memory that the stores of one process share, however many there are.
#pragma once

#include <memory>

#include "collector/store/embedded/block_cache.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/embedded/merge_cache.h"
#include "rocksdb/cache.h"
#include "rocksdb/write_buffer_manager.h"

namespace pilotlight::collector {

struct StoreMemory {
  explicit StoreMemory(const EmbeddedStoreOptions& options)
      : blocks(options.cache_bytes),
        merges(options.merge_cache_bytes),
        tables(rocksdb::NewLRUCache(options.block_cache_bytes)),
        write_buffers(
            std::make_shared<rocksdb::WriteBufferManager>(kWriteBuffers * options.write_buffer_bytes)) {}

  static constexpr int kWriteBuffers = 3;

  BlockMemory blocks;
  MergeMemory merges;
  const std::shared_ptr<rocksdb::Cache> tables;
  // When they are used up, the store that is written to writes its own to a table, however small it is.
  const std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
};

}  // namespace pilotlight::collector
