# tests/fuzz/fuzz_<topic>.c: libFuzzer entry points. Configure with clang and EQS_SANITIZE.
# SPDX-License-Identifier: MIT
if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "EQS_FUZZ needs clang: cmake --preset fuzz, or CC=clang CXX=clang++")
endif()
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(program IN LISTS programs)
  get_filename_component(name ${program} NAME_WE)
  add_executable(${name} ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON RUNTIME_OUTPUT_DIRECTORY fuzz)
  target_link_libraries(${name} PRIVATE equisorb_internal)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endforeach()
