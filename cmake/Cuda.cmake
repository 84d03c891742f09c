# The CUDA backend in the library and the command: kernels by nvcc, once per precision, for the
# architectures of EQS_CUDA_ARCHS and as PTX for later ones; host code by the C compiler.
# SPDX-License-Identifier: MIT
find_package(CUDAToolkit REQUIRED)
find_program(EQS_NVCC nvcc HINTS ${CUDAToolkit_BIN_DIR})
if(NOT EQS_NVCC)
  message(FATAL_ERROR "EQS_CUDA=ON, but nvcc is not on PATH: install the CUDA toolkit, or set "
                      "EQS_NVCC")
endif()
set(EQS_CUDA_ARCHS 80 90 100 CACHE STRING "Compute capabilities to compile for, ascending")
set(targets "")
foreach(arch IN LISTS EQS_CUDA_ARCHS)
  list(APPEND targets -gencode arch=compute_${arch},code=sm_${arch})
endforeach()
list(GET EQS_CUDA_ARCHS -1 latest)
list(APPEND targets -gencode arch=compute_${latest},code=compute_${latest})

set(kernels ${PROJECT_SOURCE_DIR}/kernels/cuda/kernels.cu)
set(cuda_objects "")
foreach(precision 0 1)
  set(object ${PROJECT_BINARY_DIR}/cuda/kernels_${precision}.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/cuda
    COMMAND ${EQS_NVCC} -std=c++17 -O3 -lineinfo ${targets} --Werror all-warnings -Xcompiler -fPIC
            -DEQS_KERNEL_DOUBLE=${precision} -I${PROJECT_SOURCE_DIR} -MD -MF ${object}.d -c
            ${kernels} -o ${object}
    DEPENDS ${kernels} DEPFILE ${object}.d VERBATIM)
  list(APPEND cuda_objects ${object})
endforeach()
set_source_files_properties(${cuda_objects} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_custom_target(cuda_kernels DEPENDS ${cuda_objects})
find_path(EQS_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder that holds nccl.h")
set(link kernels/cuda/link_none.c)
if(EQS_NCCL_INCLUDE)
  set(link kernels/cuda/link.c)
endif()
foreach(product equisorb equisorb_internal)
  add_dependencies(${product} cuda_kernels)
  target_sources(${product} PRIVATE kernels/cuda/device.c kernels/cuda/profile.c ${link}
                                    ${cuda_objects})
  target_compile_definitions(${product} PRIVATE EQS_CUDA=1)
  target_include_directories(${product} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS}
                             $<$<BOOL:${EQS_NCCL_INCLUDE}>:${EQS_NCCL_INCLUDE}>)
  target_link_libraries(${product} PRIVATE CUDA::cudart_static CUDA::cublas)
endforeach()
