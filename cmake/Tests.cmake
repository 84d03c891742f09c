# tests/<room>/test_<topic>.c is one executable each; tests/<room>/test_<topic>.sh runs the command.
# Labels: unit (core, io, kernels), physics (potentials), app, install.
# SPDX-License-Identifier: MIT
if(EQS_PLAIN_TESTS)
  set(EQS_CRITERION_INCLUDE ${PROJECT_SOURCE_DIR}/tests/plain)
  add_library(test_plain STATIC ${PROJECT_SOURCE_DIR}/tests/plain/plain.c)
  set_target_properties(test_plain PROPERTIES C_EXTENSIONS ON)
  target_link_libraries(test_plain PRIVATE equisorb_flags)
  set(EQS_CRITERION_LIBRARY test_plain)
else()
  find_path(EQS_CRITERION_INCLUDE criterion/criterion.h)
  find_library(EQS_CRITERION_LIBRARY criterion)
endif()
find_path(EQS_CJSON_INCLUDE cjson/cJSON.h)
find_library(EQS_CJSON_LIBRARY cjson)
if(NOT EQS_CRITERION_LIBRARY OR NOT EQS_CJSON_LIBRARY)
  message(WARNING "Building without tests: they need Criterion and cJSON (libcriterion-dev and "
                  "libcjson-dev; cmake/setup.sh test installs them)")
  return()
endif()

# Criterion runs each test in a child and forgets what LeakSanitizer said: this wrapper looks.
set(launch ${CMAKE_CROSSCOMPILING_EMULATOR})
if(EQS_SANITIZE)
  set(launch ${PROJECT_SOURCE_DIR}/cmake/run_sanitized.sh)
endif()

file(GLOB support CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*.c)
add_library(test_support INTERFACE)
target_link_libraries(test_support INTERFACE equisorb_internal ${EQS_CRITERION_LIBRARY}
                                             ${EQS_CJSON_LIBRARY})
target_include_directories(test_support SYSTEM INTERFACE ${EQS_CRITERION_INCLUDE}
                                                         ${EQS_CJSON_INCLUDE})
target_compile_definitions(test_support INTERFACE EQS_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(support)
  add_library(test_support_objects OBJECT ${support})
  set_target_properties(test_support_objects PROPERTIES C_EXTENSIONS ON)
  target_link_libraries(test_support_objects PRIVATE test_support)
endif()

foreach(room core io kernels potentials)
  file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${room}/test_*.c)
  foreach(program IN LISTS programs)
    get_filename_component(topic ${program} NAME_WE)
    set(name ${room}_${topic})
    add_executable(${name} ${program})
    set_target_properties(${name} PROPERTIES C_EXTENSIONS ON RUNTIME_OUTPUT_DIRECTORY tests)
    target_link_libraries(${name} PRIVATE test_support)
    if(support)
      target_link_libraries(${name} PRIVATE test_support_objects)
    endif()
    add_test(NAME ${room}/${topic} COMMAND ${launch} $<TARGET_FILE:${name}>)
    set_tests_properties(
      ${room}/${topic} PROPERTIES LABELS $<IF:$<STREQUAL:${room},potentials>,physics,unit> TIMEOUT
                                  900 WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  endforeach()
endforeach()

# What is said of a device other than the host: the same programs once more. A real GPU where the
# library has CUDA (label gpu; skipped without one), else the emulator (label emu).
set(device_tests potentials/test_mace_reference potentials/test_sevennet_reference
                 potentials/test_invariance potentials/test_dispersion core/test_steady
                 core/test_domain core/test_shard core/test_shard_dispersion
                 core/test_shard_overlap core/test_committee)
set(device "")
if(EQS_CUDA)
  set(device cuda:0)
  set(device_label gpu)
elseif(EQS_HAVE_EMULATED_BACKEND AND NOT EQS_SANITIZE AND NOT EQS_EMU_SANITIZE)
  # Under the sanitizers it is slow; there tests/emu/test_backend has to do.
  set(device emu)
  set(device_label emu)
endif()
if(device STREQUAL "emu")
  list(APPEND device_tests kernels/test_contraction kernels/test_edges kernels/test_nodes)
endif()
foreach(test IN LISTS device_tests)
  if(device)
    string(REPLACE "/" "_" program ${test})
    string(REGEX REPLACE "/.*" "" room ${test})
    set(environment EQS_TEST_DEVICE=${device})
    if(device STREQUAL "emu")
      # Cells of a few atoms: a fiber per thread is a thousand times slower than the host.
      list(APPEND environment EQS_SHARED=/nonexistent EQS_FAKE_EAGER=$<STREQUAL:${room},kernels>)
      if(test MATCHES "invariance")
        list(APPEND environment EQS_SEVENNET_DIR=/nonexistent)
      endif()
    endif()
    add_test(NAME ${device_label}/${test} COMMAND ${launch} $<TARGET_FILE:${program}>)
    set_tests_properties(
      ${device_label}/${test} PROPERTIES LABELS ${device_label} TIMEOUT 900 WORKING_DIRECTORY
                                         ${PROJECT_BINARY_DIR} ENVIRONMENT "${environment}")
  endif()
endforeach()

# The scripts start the command themselves, which an emulator does not see.
if(TARGET equisorb_cli AND NOT CMAKE_CROSSCOMPILING)
  set(environment EQUISORB=$<TARGET_FILE:equisorb_cli> EQS_SOURCE_DIR=${PROJECT_SOURCE_DIR})
  file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/app/test_*.sh)
  foreach(script IN LISTS scripts)
    get_filename_component(topic ${script} NAME_WE)
    add_test(NAME app/${topic} COMMAND bash ${script})
    set_tests_properties(
      app/${topic} PROPERTIES LABELS app TIMEOUT 900 ENVIRONMENT "${environment}"
                              WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  endforeach()
endif()

if(BUILD_SHARED_LIBS AND NOT EQS_SANITIZE AND NOT EQS_FUZZ AND NOT CMAKE_CROSSCOMPILING)
  add_test(NAME install/client COMMAND bash ${PROJECT_SOURCE_DIR}/tests/install/test_install.sh
                                       ${PROJECT_BINARY_DIR})
  set_tests_properties(install/client PROPERTIES LABELS install TIMEOUT 300)
endif()
