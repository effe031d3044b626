if(PILOTLIGHT_SANITIZE)
  # -O1 keeps the instrumented tests within minutes on two cores.
  add_compile_options(-fsanitize=${PILOTLIGHT_SANITIZE} -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${PILOTLIGHT_SANITIZE})
  if(PILOTLIGHT_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(PILOTLIGHT_SANITIZE MATCHES address)
    # The fuzzers see where the code under test has been.
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
endif()
