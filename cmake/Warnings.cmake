# Applied to every target of ours, never to generated code.
add_library(pilotlight_warnings INTERFACE)
target_compile_options(pilotlight_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # Designated initialisers leave the rest to its defaults on purpose.
  -Wno-missing-field-initializers
  # gcc 12 reports false positives in inlined library code (PR 105329, PR 105562).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow>)
