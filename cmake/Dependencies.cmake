# What the library links to; docs/dependencies.md says why each is there.
# SPDX-License-Identifier: MIT
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(SQLite3 REQUIRED)

# Optional: trajectories as H5MD.
option(EQS_HDF5 "H5MD trajectories, if HDF5 is found" ON)
if(EQS_HDF5)
  find_path(EQS_HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial DOC "Folder that holds hdf5.h")
  find_library(EQS_HDF5_LIBRARY NAMES hdf5_serial hdf5 DOC "HDF5")
endif()
set(EQS_HAVE_HDF5 OFF)
set(EQS_PC_HDF5 "")
if(EQS_HDF5 AND EQS_HDF5_INCLUDE AND EQS_HDF5_LIBRARY)
  set(EQS_HAVE_HDF5 ON)
  set(EQS_PC_HDF5 ${EQS_HDF5_LIBRARY})
endif()

# Optional: density functionals, for atoms and for new tables of walls.
option(EQS_LIBXC "Atoms and walls by density functionals, if libxc is found" ON)
if(EQS_LIBXC)
  find_path(EQS_LIBXC_INCLUDE xc.h DOC "Folder that holds xc.h")
  find_library(EQS_LIBXC_LIBRARY NAMES xc DOC "libxc")
endif()
set(EQS_HAVE_LIBXC OFF)
set(EQS_PC_LIBXC "")
if(EQS_LIBXC AND EQS_LIBXC_INCLUDE AND EQS_LIBXC_LIBRARY)
  set(EQS_HAVE_LIBXC ON)
  set(EQS_PC_LIBXC ${EQS_LIBXC_LIBRARY})
endif()

# Optional: one system over several processes. A module of its own links MPI, the library does not.
option(EQS_MPI "The module for MPI, if MPI is found" ON)
set(EQS_HAVE_MPI OFF)
if(EQS_MPI AND BUILD_SHARED_LIBS AND NOT CMAKE_CROSSCOMPILING)
  find_package(MPI QUIET COMPONENTS C)
  set(EQS_HAVE_MPI ${MPI_C_FOUND})
endif()

# gemmi is used header-only (its CIF grammar); Debian's package has no CMake file.
find_path(EQS_GEMMI_INCLUDE gemmi/cif.hpp DOC "Folder that holds gemmi/cif.hpp")
find_path(EQS_PEGTL_INCLUDE NAMES tao/pegtl.hpp DOC "Folder that holds tao/pegtl.hpp"
          PATHS ${EQS_GEMMI_INCLUDE}/gemmi/third_party)
find_path(EQS_SPGLIB_INCLUDE spglib.h DOC "Folder that holds spglib.h")
find_library(EQS_SPGLIB_LIBRARY NAMES symspg DOC "spglib")
find_path(EQS_YAML_INCLUDE yaml.h DOC "libyaml, for run files of the command")
find_library(EQS_YAML_LIBRARY NAMES yaml DOC "libyaml")
foreach(item GEMMI_INCLUDE:gemmi-dev PEGTL_INCLUDE:tao-pegtl-dev SPGLIB_INCLUDE:libsymspg-dev
             SPGLIB_LIBRARY:libsymspg-dev YAML_INCLUDE:libyaml-dev YAML_LIBRARY:libyaml-dev)
  string(REPLACE ":" ";" item ${item})
  list(GET item 0 name)
  list(GET item 1 package)
  if(NOT EQS_${name})
    message(FATAL_ERROR "EQS_${name} not found: install ${package} (cmake/setup.sh does), "
                        "or set EQS_${name}")
  endif()
endforeach()
