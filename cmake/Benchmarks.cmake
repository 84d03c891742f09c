# benchmarks/bench_<topic>.c: timing programs; they see the public interface only.
# SPDX-License-Identifier: MIT
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/benchmarks/bench_*.c)
foreach(program IN LISTS programs)
  get_filename_component(name ${program} NAME_WE)
  add_executable(${name} ${program})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON)
  target_link_libraries(${name} PRIVATE equisorb equisorb_flags OpenMP::OpenMP_C m)
endforeach()
