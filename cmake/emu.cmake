# The CUDA emulator and fake runtime (kernels/emu), for tests only: .cu files compiled as C++ run on
# fibers, and the host code of the backend links to stand-ins for libcudart, libcublas and libnccl.
# They are compiled against NVIDIA's own headers, found beside the nvcc on PATH.
# SPDX-License-Identifier: MIT
set(EQS_EMU_SANITIZE "" CACHE STRING "thread: ThreadSanitizer for emulated kernels (clang)")
if(EQS_EMU STREQUAL "AUTO" AND NOT EQS_TESTS)
  return()
endif()
if(NOT EQS_EMU)
  return()
endif()

find_program(EQS_NVCC nvcc)
if(EQS_NVCC AND NOT EQS_INCLUDE_cuda_runtime)
  # nvcc may be a link or a script: it says itself where its toolkit is.
  execute_process(COMMAND ${EQS_NVCC} --dryrun -x cu /dev/null OUTPUT_VARIABLE said
                  ERROR_VARIABLE said)
  set(toolkit "")
  if(said MATCHES "TOP=([^\n]+)")
    cmake_path(SET toolkit NORMALIZE ${CMAKE_MATCH_1})
  endif()
  # NO_CMAKE_FIND_ROOT_PATH: when cross-compiling too, these are the machine's own headers.
  foreach(header cuda_runtime cublas_v2 nccl)
    find_path(EQS_INCLUDE_${header} ${header}.h HINTS ${toolkit}/include
              NO_CMAKE_FIND_ROOT_PATH)
  endforeach()
endif()
if(NOT EQS_INCLUDE_cuda_runtime OR NOT EQS_INCLUDE_cublas_v2)
  if(EQS_EMU STREQUAL "AUTO")
    message(STATUS "Building without the CUDA emulator: nvcc on PATH with its headers "
                   "(cuda_runtime.h, cublas_v2.h) was not found")
    return()
  endif()
  message(FATAL_ERROR "EQS_EMU=${EQS_EMU}, but nvcc is not on PATH or its headers (cuda_runtime.h, "
                      "cublas_v2.h) are missing: install the CUDA toolkit, or set EQS_NVCC")
endif()

find_package(Threads REQUIRED)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/emu/*.cpp)
if(NOT EQS_INCLUDE_nccl)
  message(STATUS "The CUDA emulator is built without NCCL: nccl.h was not found")
  list(FILTER sources EXCLUDE REGEX "fake_nccl")
endif()
add_library(equisorb_emulator STATIC EXCLUDE_FROM_ALL ${sources})
target_include_directories(
  equisorb_emulator SYSTEM PUBLIC ${EQS_INCLUDE_cuda_runtime} ${EQS_INCLUDE_cublas_v2}
                                  $<$<BOOL:${EQS_INCLUDE_nccl}>:${EQS_INCLUDE_nccl}>)
target_link_libraries(equisorb_emulator PRIVATE equisorb_flags PUBLIC Threads::Threads)

# Near to what nvcc makes: products and sums are fused where the machine can.
set(EQS_EMULATED_OPTIONS -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-unknown-pragmas)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  include(CheckCXXSourceRuns)
  check_cxx_source_runs(
    "int main() { return !__builtin_cpu_supports(\"fma\") || !__builtin_cpu_supports(\"avx2\"); }"
    EQS_HAVE_FMA)
  if(EQS_HAVE_FMA)
    list(APPEND EQS_EMULATED_OPTIONS -mavx2 -mfma)
  endif()
endif()

# Only kernels are instrumented: the scheduler itself says what ThreadSanitizer has to know.
set(EQS_INSTRUMENT "")
if(EQS_EMU_SANITIZE STREQUAL "thread")
  set(EQS_INSTRUMENT -fsanitize=thread)
  target_compile_definitions(equisorb_emulator PRIVATE EQS_EMU_TSAN=1)
  target_link_options(equisorb_emulator PUBLIC -fsanitize=thread)
elseif(EQS_EMU_SANITIZE)
  message(FATAL_ERROR "EQS_EMU_SANITIZE=${EQS_EMU_SANITIZE}: only \"thread\" is known; EQS_SANITIZE "
                      "has the address sanitizer")
endif()
if(EQS_SANITIZE)
  # As for the host's kernels: these checks multiply the time that the code takes to compile.
  list(APPEND EQS_EMULATED_OPTIONS -fno-sanitize=undefined)
  target_compile_options(equisorb_emulator PRIVATE -fno-sanitize=undefined)
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/emu/gemm.cpp
                            PROPERTIES COMPILE_OPTIONS "${EQS_INSTRUMENT}")

# equisorb_emulated_sources(<target> <file.cu>...): adds CUDA files to a target as C++ for the
# emulator (EQS_EMULATOR is defined) and links the emulator with the fake runtime. The same file may
# be in several targets with other definitions, and be compiled by nvcc besides.
function(equisorb_emulated_sources target)
  foreach(source IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} NORMALIZE)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE path)
    string(MAKE_C_IDENTIFIER "${path}" name)
    set(wrapper ${PROJECT_BINARY_DIR}/emulated/${target}/${name}.cpp)
    file(CONFIGURE OUTPUT ${wrapper}
         CONTENT "#include \"kernels/emu/cuemu.h\"\n\n#include \"${path}\"\n" @ONLY)
    set_source_files_properties(
      ${wrapper} PROPERTIES COMPILE_OPTIONS "${EQS_EMULATED_OPTIONS};${EQS_INSTRUMENT}"
                            COMPILE_DEFINITIONS EQS_EMULATOR=1 OBJECT_DEPENDS ${source})
    target_sources(${target} PRIVATE ${wrapper})
  endforeach()
  target_link_libraries(${target} PRIVATE equisorb_emulator)
endfunction()

# The CUDA backend as device "emu" of the tests' library: its own host code, its kernels as C++.
if(NOT EQS_CUDA AND NOT CMAKE_CROSSCOMPILING)
  foreach(precision 0 1)
    add_library(emulated_cuda_${precision} OBJECT EXCLUDE_FROM_ALL)
    target_link_libraries(emulated_cuda_${precision} PRIVATE equisorb_flags)
    target_compile_definitions(emulated_cuda_${precision} PRIVATE EQS_KERNEL_DOUBLE=${precision})
    equisorb_emulated_sources(emulated_cuda_${precision} kernels/cuda/kernels.cu)
    target_sources(equisorb_internal PRIVATE $<TARGET_OBJECTS:emulated_cuda_${precision}>)
  endforeach()
  target_sources(
    equisorb_internal
    PRIVATE kernels/cuda/device.c kernels/cuda/profile.c
            $<IF:$<BOOL:${EQS_INCLUDE_nccl}>,kernels/cuda/link.c,kernels/cuda/link_none.c>)
  target_compile_definitions(equisorb_internal PRIVATE EQS_EMU=1)
  target_link_libraries(equisorb_internal PUBLIC equisorb_emulator)
  set(EQS_HAVE_EMULATED_BACKEND ON)
endif()
