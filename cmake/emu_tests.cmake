# Tests of the emulator and of the fake runtime: tests/emu/test_<topic>.c, each with the kernels of
# tests/emu/<topic>.cu if there is such a file, or those of kernels.cu; test_backend, test_list,
# test_graph and test_memory have the library's. `emu_probe` holds the faults on purpose;
# test_probes runs it as a program, because each of them ends its process. Label: emu.
# SPDX-License-Identifier: MIT
if(NOT TARGET equisorb_emulator OR NOT EQS_CRITERION_LIBRARY)
  return()
endif()
add_executable(emu_probe)
equisorb_emulated_sources(emu_probe tests/emu/probe.cu)
target_link_libraries(emu_probe PRIVATE equisorb_flags)
set_target_properties(emu_probe PROPERTIES RUNTIME_OUTPUT_DIRECTORY tests)

add_library(emulated_kernels OBJECT EXCLUDE_FROM_ALL)
equisorb_emulated_sources(emulated_kernels tests/emu/kernels.cu)
target_link_libraries(emulated_kernels PRIVATE equisorb_flags)

add_custom_target(emu_tests DEPENDS emu_probe)
set(sanitizer none)
if(EQS_SANITIZE)
  set(sanitizer address)
elseif(EQS_EMU_SANITIZE)
  set(sanitizer ${EQS_EMU_SANITIZE})
endif()

string(REPLACE ";" " " emulator "${CMAKE_CROSSCOMPILING_EMULATOR}")
if(emulator)
  string(APPEND emulator " ")
endif()
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/emu/test_*.c)
foreach(program IN LISTS programs)
  get_filename_component(topic ${program} NAME_WE)
  set(with_library OFF)
  if(topic MATCHES "test_(backend|list|graph|memory)")
    set(with_library ON)
    if(NOT EQS_HAVE_EMULATED_BACKEND)
      continue()
    endif()
  endif()
  string(REPLACE "test_" "" kernels ${topic})
  set(name emu_${topic})
  add_executable(${name} ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON RUNTIME_OUTPUT_DIRECTORY tests
                                           LINKER_LANGUAGE CXX)
  # What runs on the host is instrumented too: it may race with the device.
  target_compile_options(${name} PRIVATE ${EQS_INSTRUMENT})
  target_compile_definitions(${name} PRIVATE EQS_TEST_SANITIZER="${sanitizer}")
  target_link_libraries(${name} PRIVATE equisorb_flags equisorb_emulator ${EQS_CRITERION_LIBRARY})
  target_include_directories(${name} SYSTEM PRIVATE ${EQS_CRITERION_INCLUDE})
  if(with_library)
    target_link_libraries(${name} PRIVATE equisorb_internal)
    target_compile_definitions(${name} PRIVATE EQS_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  elseif(NOT kernels STREQUAL "kernels" AND EXISTS ${PROJECT_SOURCE_DIR}/tests/emu/${kernels}.cu)
    equisorb_emulated_sources(${name} tests/emu/${kernels}.cu)
  else()
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:emulated_kernels>)
  endif()
  add_dependencies(${name} emu_probe)
  add_dependencies(emu_tests ${name})
  add_test(NAME emu/${topic} COMMAND ${launch} $<TARGET_FILE:${name}>)
  set_tests_properties(
    emu/${topic} PROPERTIES LABELS emu TIMEOUT 300 WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
                            ENVIRONMENT
                            "EQS_EMU_PROBE=${emulator}'$<TARGET_FILE:emu_probe>'")
endforeach()
