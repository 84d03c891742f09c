# benchmarks/bench_<topic>.c: timing programs. They see the public interface only, except
# bench_kernels, which is linked with the internals. SPDX-License-Identifier: MIT
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/benchmarks/bench_*.c)
foreach(program IN LISTS programs)
  get_filename_component(name ${program} NAME_WE)
  set(library equisorb)
  if(name STREQUAL bench_kernels)
    set(library equisorb_internal)
    list(APPEND program ${PROJECT_SOURCE_DIR}/benchmarks/roof.c)
  endif()
  add_executable(${name} ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON)
  target_link_libraries(${name} PRIVATE ${library} equisorb_flags OpenMP::OpenMP_C m)
endforeach()
