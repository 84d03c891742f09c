# tests/fuzz/fuzz_<topic>.c: libFuzzer entry points, linked with the readers alone (target
# fuzz_targets). Configure with clang and EQS_SANITIZE. SPDX-License-Identifier: MIT
if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "EQS_FUZZ needs clang: cmake --preset fuzz, or CC=clang CXX=clang++")
endif()
# A model is loaded for the baseline kernels.
file(GLOB readers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/io/torch_*.c
     ${PROJECT_SOURCE_DIR}/io/zip*.c ${PROJECT_SOURCE_DIR}/io/pickle*.c
     ${PROJECT_SOURCE_DIR}/io/safetensors*.c ${PROJECT_SOURCE_DIR}/io/json.c
     ${PROJECT_SOURCE_DIR}/io/model_*.c ${PROJECT_SOURCE_DIR}/io/fields.c
     ${PROJECT_SOURCE_DIR}/io/whole_file.c
     ${PROJECT_SOURCE_DIR}/io/sha256*.c ${PROJECT_SOURCE_DIR}/io/cif*.c
     ${PROJECT_SOURCE_DIR}/io/cif*.cpp ${PROJECT_SOURCE_DIR}/io/xyz.c
     ${PROJECT_SOURCE_DIR}/io/structure.c ${PROJECT_SOURCE_DIR}/io/structure_*.c
     ${PROJECT_SOURCE_DIR}/io/elements.c ${PROJECT_SOURCE_DIR}/potentials/*.c
     ${PROJECT_SOURCE_DIR}/core/*.c ${PROJECT_SOURCE_DIR}/kernels/dispatch.c
     ${PROJECT_SOURCE_DIR}/kernels/upload.c ${PROJECT_SOURCE_DIR}/kernels/backend.c)
list(REMOVE_ITEM readers ${PROJECT_SOURCE_DIR}/core/comm_mpi.c ${PROJECT_SOURCE_DIR}/core/engine.c
     ${PROJECT_SOURCE_DIR}/core/symmetry.c ${PROJECT_SOURCE_DIR}/core/version.c
     ${PROJECT_SOURCE_DIR}/potentials/functional.c)
add_library(fuzz_readers STATIC EXCLUDE_FROM_ALL ${readers}
                                                 $<TARGET_OBJECTS:kernels_baseline_f32>
                                                 $<TARGET_OBJECTS:kernels_baseline_f64>)
set_target_properties(fuzz_readers PROPERTIES C_EXTENSIONS ON CXX_EXTENSIONS OFF)
target_include_directories(fuzz_readers SYSTEM PRIVATE ${EQS_GEMMI_INCLUDE} ${EQS_PEGTL_INCLUDE})
target_compile_definitions(fuzz_readers PUBLIC EQS_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(fuzz_readers PUBLIC equisorb_flags OpenMP::OpenMP_C m)

add_custom_target(fuzz_targets)
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(program IN LISTS programs)
  get_filename_component(name ${program} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON RUNTIME_OUTPUT_DIRECTORY fuzz
                                           LINKER_LANGUAGE CXX)
  target_link_libraries(${name} PRIVATE fuzz_readers)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz_targets ${name})
endforeach()
