# The kernel bodies under nvcc. Until the CUDA backend exists its objects are compiled, not linked.
# SPDX-License-Identifier: MIT
find_package(CUDAToolkit QUIET)
find_program(EQS_NVCC nvcc HINTS ${CUDAToolkit_BIN_DIR} ENV CUDA_HOME PATH_SUFFIXES bin)
if(NOT EQS_NVCC)
  message(FATAL_ERROR "EQS_CUDA=ON, but nvcc is not on PATH: install the CUDA toolkit, or set "
                      "EQS_NVCC")
endif()
set(EQS_CUDA_ARCH sm_90 CACHE STRING "Architecture passed to nvcc")
file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
set(cuda_objects "")
foreach(source IN LISTS cuda_sources)
  get_filename_component(name ${source} NAME_WE)
  set(object ${PROJECT_BINARY_DIR}/cuda/${name}.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/cuda
    COMMAND ${EQS_NVCC} -std=c++17 -arch=${EQS_CUDA_ARCH} --Werror all-warnings
            -I${PROJECT_SOURCE_DIR} -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d VERBATIM)
  list(APPEND cuda_objects ${object})
endforeach()
add_custom_target(kernels_cuda ALL DEPENDS ${cuda_objects})
