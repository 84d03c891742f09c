# kernels/host/kernels.c is compiled once per (instruction set, precision) and chosen at run time.
# The floating-point flags belong to these files only: contraction to FMA, but no reassociation, so
# that results keep their bits. SPDX-License-Identifier: MIT
set(kernel_source ${PROJECT_SOURCE_DIR}/kernels/host/kernels.c)
file(GLOB host_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/host/*.c)
list(REMOVE_ITEM host_sources ${kernel_source})
target_sources(equisorb_objects PRIVATE ${host_sources})

set(kernel_isa_baseline "")
set(kernel_isa_avx2 -mavx2 -mfma)
set(kernel_isa_avx512 -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma)
set(kernel_isas baseline)
# Under the sanitizers one set is enough: the others are the same source with other options.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT EQS_SANITIZE AND NOT EQS_EMU_SANITIZE)
  list(APPEND kernel_isas avx2 avx512)
  target_compile_definitions(equisorb_objects PRIVATE EQS_KERNELS_X86=1)
endif()

if(EXISTS ${kernel_source})
  if(EQS_SANITIZE)
    # Addresses are checked; checks for undefined behaviour multiply the time that this code takes to
    # compile. (An option of the source comes after those of the target.)
    set_source_files_properties(${kernel_source} PROPERTIES COMPILE_OPTIONS
                                                            -fno-sanitize=undefined)
  endif()
  foreach(isa IN LISTS kernel_isas)
    foreach(precision f32 f64)
      set(target kernels_${isa}_${precision})
      add_library(${target} OBJECT ${kernel_source})
      set_target_properties(${target} PROPERTIES C_EXTENSIONS ON)
      target_link_libraries(${target} PRIVATE equisorb_flags OpenMP::OpenMP_C)
      target_compile_options(
        ${target} PRIVATE $<$<NOT:$<BOOL:${EQS_SANITIZE}>>:-O3> -ffp-contract=fast -fno-math-errno
                          -fno-trapping-math -Wno-psabi ${kernel_isa_${isa}})
      target_compile_definitions(
        ${target} PRIVATE EQS_KERNEL_ISA=${isa}
                          EQS_KERNEL_DOUBLE=$<IF:$<STREQUAL:${precision},f64>,1,0>)
      foreach(product equisorb equisorb_internal)
        target_sources(${product} PRIVATE $<TARGET_OBJECTS:${target}>)
      endforeach()
    endforeach()
  endforeach()
else()
  message(STATUS "kernels/host/kernels.c is not there: building without kernels")
endif()
