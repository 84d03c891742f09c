# tests/fuzz/fuzz_<topic>.c: libFuzzer entry points, linked with the file readers alone (target
# fuzz_targets). Configure with clang and EQS_SANITIZE. SPDX-License-Identifier: MIT
if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "EQS_FUZZ needs clang: cmake --preset fuzz, or CC=clang CXX=clang++")
endif()
file(GLOB readers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/io/torch_*.c
     ${PROJECT_SOURCE_DIR}/io/zip*.c ${PROJECT_SOURCE_DIR}/io/pickle*.c
     ${PROJECT_SOURCE_DIR}/io/sha256*.c)
add_library(fuzz_readers STATIC EXCLUDE_FROM_ALL ${readers} ${PROJECT_SOURCE_DIR}/core/status.c)
set_target_properties(fuzz_readers PROPERTIES C_EXTENSIONS ON)
target_link_libraries(fuzz_readers PUBLIC equisorb_flags m)

add_custom_target(fuzz_targets)
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(program IN LISTS programs)
  get_filename_component(name ${program} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON RUNTIME_OUTPUT_DIRECTORY fuzz)
  target_link_libraries(${name} PRIVATE fuzz_readers)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz_targets ${name})
endforeach()
