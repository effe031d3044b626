# The libraries are linked into programs alone, where no other definition of a function can take its place.
add_compile_options("$<$<CONFIG:Release>:-g1;-fno-semantic-interposition>")
if(PILOTLIGHT_SANITIZE)
  # -O1 keeps the instrumented tests within minutes on two cores.
  add_compile_options(-fsanitize=${PILOTLIGHT_SANITIZE} -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${PILOTLIGHT_SANITIZE})
  if(PILOTLIGHT_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
if(PILOTLIGHT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_compile_definitions(PILOTLIGHT_FUZZ)
endif()
