# make install: library, header, command, CMake package and pkg-config file.
# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)

install(TARGETS equisorb EXPORT equisorb_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
file(GLOB public_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/core/equisorb*.h)
install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET equisorb_mpi)
  install(TARGETS equisorb_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET equisorb_cli)
  # Relative, so that a tree that is moved after installation still runs.
  file(RELATIVE_PATH to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
  set_target_properties(equisorb_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
  install(TARGETS equisorb_cli DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/equisorb)
install(EXPORT equisorb_targets NAMESPACE equisorb:: DESTINATION ${package_folder})
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/equisorb-config.cmake.in
  ${PROJECT_BINARY_DIR}/equisorb-config.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/equisorb-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/equisorb-config.cmake
              ${PROJECT_BINARY_DIR}/equisorb-config-version.cmake DESTINATION ${package_folder})

file(RELATIVE_PATH from_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/equisorb.pc.in ${PROJECT_BINARY_DIR}/equisorb.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/equisorb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Models that ship are found by name: from the library's place in an installation, beside it in a
# build tree and in the Python package (core/model_path.c).
set(models ${PROJECT_SOURCE_DIR}/models)
file(GLOB shipped CONFIGURE_DEPENDS ${models}/*.safetensors)
if(shipped)
  set(kinds FILES_MATCHING PATTERN "*.safetensors" PATTERN "README.md" PATTERN "train" EXCLUDE
      PATTERN "judge" EXCLUDE PATTERN "figures" EXCLUDE)
  install(DIRECTORY ${models}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/equisorb/models ${kinds})
  if(SKBUILD)
    install(DIRECTORY ${models}/ DESTINATION equisorb/models COMPONENT python ${kinds})
  endif()
  if(NOT EXISTS ${PROJECT_BINARY_DIR}/models)
    file(CREATE_LINK ${models} ${PROJECT_BINARY_DIR}/models SYMBOLIC)
  endif()
endif()

# The Python package holds the library itself; a wheel has no links.
if(SKBUILD)
  set_target_properties(equisorb PROPERTIES VERSION 0)
  install(TARGETS equisorb LIBRARY DESTINATION equisorb COMPONENT python NAMELINK_SKIP)
endif()
