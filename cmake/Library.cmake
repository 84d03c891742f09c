# One set of objects, three products: the library that is installed, a static twin that shows its
# internals to the tests, and the command, which sees the public interface only.
# SPDX-License-Identifier: MIT
set(rooms core core/adsorption core/dynamics potentials io kernels)
set(sources "")
foreach(room IN LISTS rooms)
  file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${room}/*.c
       ${PROJECT_SOURCE_DIR}/${room}/*.cpp)
  list(APPEND sources ${found})
endforeach()
# Which devices there are is a property of the product.
set(backend ${PROJECT_SOURCE_DIR}/kernels/backend.c)
list(REMOVE_ITEM sources ${backend})
# MPI is a module beside the library, which opens it when it is asked for.
list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/core/comm_mpi.c)

set(dependencies OpenMP::OpenMP_C SQLite::SQLite3 ${EQS_SPGLIB_LIBRARY} m
                 ${CMAKE_DL_LIBS})
if(EQS_HAVE_HDF5)
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/io/h5md_none.c)
  list(APPEND dependencies ${EQS_HDF5_LIBRARY})
else()
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/io/h5md.c)
endif()
if(EQS_HAVE_LIBXC)
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/potentials/functional_none.c)
  list(APPEND dependencies ${EQS_LIBXC_LIBRARY})
else()
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/potentials/functional.c)
endif()
# The table of walls is put into the library by the assembler.
set(walls ${PROJECT_SOURCE_DIR}/potentials/wall_pbe.txt)
set_source_files_properties(
  ${PROJECT_SOURCE_DIR}/potentials/wall_read.c PROPERTIES OBJECT_DEPENDS ${walls}
                                                          COMPILE_DEFINITIONS EQS_WALL_TABLE="${walls}")
set_source_files_properties(
  ${PROJECT_SOURCE_DIR}/core/version.c
  PROPERTIES COMPILE_DEFINITIONS
             "EQS_WITH_CUDA=$<BOOL:${EQS_CUDA}>;EQS_WITH_HDF5=$<BOOL:${EQS_HAVE_HDF5}>;\
EQS_WITH_LIBXC=$<BOOL:${EQS_HAVE_LIBXC}>;EQS_WITH_MPI=$<BOOL:${EQS_HAVE_MPI}>")

add_library(equisorb_objects OBJECT ${sources})
set_target_properties(equisorb_objects PROPERTIES C_EXTENSIONS ON CXX_EXTENSIONS OFF)
target_link_libraries(equisorb_objects PRIVATE equisorb_flags OpenMP::OpenMP_C SQLite::SQLite3)
target_include_directories(equisorb_objects SYSTEM PRIVATE ${EQS_GEMMI_INCLUDE}
                           ${EQS_PEGTL_INCLUDE} ${EQS_SPGLIB_INCLUDE}
                           $<$<BOOL:${EQS_HAVE_HDF5}>:${EQS_HDF5_INCLUDE}>
                           $<$<BOOL:${EQS_HAVE_LIBXC}>:${EQS_LIBXC_INCLUDE}>)

add_library(equisorb ${backend} $<TARGET_OBJECTS:equisorb_objects>)
add_library(equisorb::equisorb ALIAS equisorb)
set_target_properties(equisorb PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0
                                          LINKER_LANGUAGE CXX)
target_link_libraries(equisorb PRIVATE ${dependencies} $<BUILD_INTERFACE:equisorb_flags>)
target_include_directories(equisorb PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
if(BUILD_SHARED_LIBS AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  # Hidden visibility leaves weak symbols of the C++ library; only the interface may show.
  target_link_options(equisorb PRIVATE
                      LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
  set_target_properties(equisorb PROPERTIES LINK_DEPENDS
                                            ${PROJECT_SOURCE_DIR}/cmake/exports.map)
endif()

if(EQS_HAVE_MPI)
  add_library(equisorb_mpi MODULE ${PROJECT_SOURCE_DIR}/core/comm_mpi.c)
  set_target_properties(equisorb_mpi PROPERTIES C_EXTENSIONS ON)
  target_link_libraries(equisorb_mpi PRIVATE equisorb_flags MPI::MPI_C)
endif()

add_library(equisorb_internal STATIC EXCLUDE_FROM_ALL ${backend} $<TARGET_OBJECTS:equisorb_objects>)
set_target_properties(equisorb_internal PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(equisorb_internal PUBLIC equisorb_flags ${dependencies})

file(GLOB app_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/app/*.c)
if(app_sources)
  add_executable(equisorb_cli ${app_sources})
  set_target_properties(equisorb_cli PROPERTIES OUTPUT_NAME equisorb C_EXTENSIONS ON)
  target_link_libraries(equisorb_cli PRIVATE equisorb equisorb_flags ${EQS_YAML_LIBRARY} m)
  target_include_directories(equisorb_cli SYSTEM PRIVATE ${EQS_YAML_INCLUDE})
endif()
