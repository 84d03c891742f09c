# benchmarks/bench_<topic>.c: timing programs. They see the public interface only, except
# bench_kernels, bench_gpu, bench_halo and bench_guest, which are linked with the internals.
# SPDX-License-Identifier: MIT
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/benchmarks/bench_*.c)
foreach(program IN LISTS programs)
  get_filename_component(name ${program} NAME_WE)
  set(library equisorb)
  if(name STREQUAL bench_kernels)
    set(library equisorb_internal)
    list(APPEND program ${PROJECT_SOURCE_DIR}/benchmarks/roof.c)
  elseif(name STREQUAL bench_gpu OR name STREQUAL bench_halo OR name STREQUAL bench_guest)
    set(library equisorb_internal) # the emulated device, where there is one
  endif()
  add_executable(${name} ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON)
  if(name STREQUAL bench_gpu AND (EQS_CUDA OR EQS_HAVE_EMULATED_BACKEND))
    target_compile_definitions(${name} PRIVATE EQS_GPU=1)
  endif()
  target_link_libraries(${name} PRIVATE ${library} equisorb_flags OpenMP::OpenMP_C m)
endforeach()

# That bench_gpu works: on the emulator, or on a GPU where there is one.
if(EQS_TESTS AND (EQS_CUDA OR EQS_HAVE_EMULATED_BACKEND) AND NOT EQS_SANITIZE)
  set(device emu)
  set(label emu)
  if(EQS_CUDA)
    set(device cuda:0)
    set(label gpu)
  endif()
  add_test(NAME ${label}/bench_gpu
           COMMAND bench_gpu --device ${device} --atoms 8 --edges 12 --seconds 0 --kernels
                   ${PROJECT_SOURCE_DIR}/tests/data/models/tiny_L1_dens_agnesi_zbl.model)
  set_tests_properties(
    ${label}/bench_gpu
    PROPERTIES LABELS ${label} TIMEOUT 300 ENVIRONMENT EQS_SKIP=1 SKIP_RETURN_CODE 77
               PASS_REGULAR_EXPRESSION "\"zbl_kernel\",1,.*single,8,12,all,,[0-9.]+"
               SKIP_REGULAR_EXPRESSION "SKIPPED")
endif()
