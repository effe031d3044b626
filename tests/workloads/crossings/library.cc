// What crossings opens while it runs.
extern "C" [[gnu::visibility("default")]] void call_back(void (*function)()) {
  function();
  asm volatile("");  // or the call would be a jump
}
