// jemalloc's settings, which it reads by this name when the program starts (jemalloc(3), TUNING). Dozens of
// threads take turns at short work on megabytes: few arenas share what one of them has freed, and what is not
// used for a second goes back to the kernel.
extern "C" {
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): jemalloc declares it so.
const char* malloc_conf = "narenas:4,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
}
