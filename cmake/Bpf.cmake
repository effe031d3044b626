# pilotlight_bpf_skeleton(NAME SOURCE x.bpf.c HEADERS abi.h)
# Compiles for the BPF target and embeds the object into a header "NAME.skel.h" (struct NAME); link to NAME.
# Needs neither rights nor the build machine's kernel types: the sources use none.
find_program(PILOTLIGHT_BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(PILOTLIGHT_BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(PILOTLIGHT_BPF_ARCH arm64)
else()
  set(PILOTLIGHT_BPF_ARCH x86)
endif()

function(pilotlight_bpf_skeleton name)
  cmake_parse_arguments(ARG "" "SOURCE" "HEADERS" ${ARGN})
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SOURCE})
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/skeletons/${name}.skel.h)
  list(TRANSFORM ARG_HEADERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  # -mcpu=v3: 32-bit operations, of Linux 5.1.
  add_custom_command(OUTPUT ${object}
    COMMAND ${PILOTLIGHT_BPF_CLANG} -g -O2 -Wall -Wextra -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_${PILOTLIGHT_BPF_ARCH}
            -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -c ${source} -o ${object}
    DEPENDS ${source} ${ARG_HEADERS} VERBATIM)
  add_custom_command(OUTPUT ${skeleton}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/skeletons
    COMMAND sh -c "{ echo '// NOLINTBEGIN' && \"$1\" gen skeleton \"$2\" name \"$3\" && echo '// NOLINTEND'; } > \"$4.new\" && mv \"$4.new\" \"$4\"" sh
            ${PILOTLIGHT_BPFTOOL} ${object} ${name} ${skeleton}
    DEPENDS ${object} VERBATIM)
  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_skeleton)
  # SYSTEM: generated code, without our warnings.
  target_include_directories(${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/skeletons)
  target_link_libraries(${name} INTERFACE PkgConfig::LIBBPF)
endfunction()
