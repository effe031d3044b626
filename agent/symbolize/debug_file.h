// The file with the symbols that were stripped from a binary.
#pragma once

#include <memory>
#include <string>

#include "agent/targets/process_table.h"
#include "objfile/elf_file.h"

namespace pilotlight::agent {

// Looks, in this order, for
//   /usr/lib/debug/.build-id/NN/NNN….debug          by the build ID
//   DIR/NAME, DIR/.debug/NAME, /usr/lib/debug/DIR/NAME   by .gnu_debuglink, DIR being the binary's own
// in the target's root and then in that of the host, and takes only a file of the same build ID, or of the
// CRC that the link states; last for .gnu_debugdata in the binary itself. nullptr when there is none.
std::unique_ptr<ElfFile> OpenDebugFile(const ElfFile& elf, const Process& process, const Mapping& mapping,
                                       const std::string& proc_root,
                                       const std::shared_ptr<BlockCache>& blocks = nullptr);

}  // namespace pilotlight::agent
