# The installed package: find_package(normlab), then normlab::norms; with COMPONENTS verify, or where ZLIB and OpenBLAS are found, normlab::verify too, for
# check() of verify/user_check.hpp. Called at the end of the top CMakeLists. What the libraries must be linked with stands in normlabConfig.cmake.in; headers
# they only compile with are wrapped in $<BUILD_INTERFACE:...> by their CMakeLists.txt and are not asked of the package's user.
include(CMakePackageConfigHelpers)

function(normlab_install)
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/normlab)
  set_target_properties(normlab_norms PROPERTIES EXPORT_NAME norms)
  set_target_properties(normlab_io PROPERTIES EXPORT_NAME io)
  set_target_properties(normlab_system PROPERTIES EXPORT_NAME system)
  set_target_properties(normlab_verify PROPERTIES EXPORT_NAME verify)
  install(TARGETS normlab_norms normlab_system EXPORT normlabNorms INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normlab)
  install(TARGETS normlab_io normlab_verify EXPORT normlabVerify INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normlab)
  foreach(set IN ITEMS normlabNorms normlabVerify)
    install(EXPORT ${set} FILE ${set}Targets.cmake NAMESPACE normlab:: DESTINATION ${folder})
  endforeach()
  install(TARGETS normlab)
  install(TARGETS normlab-bench normlab-study OPTIONAL)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/pages/share/ DESTINATION ${CMAKE_INSTALL_DATADIR} OPTIONAL)   # man pages, completion (cli/CMakeLists.txt)
  get_property(studies GLOBAL PROPERTY NORMLAB_STUDIES)
  foreach(study IN LISTS studies)   # where study --ledger looks
    install(DIRECTORY studies/${study}/records DESTINATION ${CMAKE_INSTALL_DATADIR}/normlab/studies/${study})
  endforeach()
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
  install(FILES CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
  install(DIRECTORY norms/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})

  # The public headers, which norms/README.md says more of; tests/package includes each. In the tree and installed alike: #include "norms/norm.hpp"
  file(GLOB variants RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS norms/variants/*.hpp)
  foreach(header IN ITEMS
      norms/norm.hpp norms/fold.hpp norms/variants.hpp ${variants} norms/operation.hpp norms/memory.hpp norms/registry.hpp norms/implementation.hpp norms/plugin.h norms/plugin.hpp
      norms/names.hpp norms/half.hpp norms/tensor.hpp norms/dtype.hpp norms/spec.hpp norms/state.hpp norms/device.hpp system/failure.hpp verify/user_check.hpp)
    cmake_path(GET header PARENT_PATH room)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normlab/${room})
  endforeach()

  configure_package_config_file(cmake/normlabConfig.cmake.in normlabConfig.cmake INSTALL_DESTINATION ${folder})
  write_basic_package_version_file(normlabConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/normlabConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/normlabConfigVersion.cmake
    cmake/normlab_blas.cmake
    DESTINATION ${folder})
endfunction()

# A ctest test that installs this build and uses it from outside (tests/package). Called by tests/CMakeLists.txt.
function(normlab_add_package_test)
  add_test(NAME package COMMAND ${CMAKE_COMMAND}
    "-DBUILD=${PROJECT_BINARY_DIR}" "-DCONFIG=$<CONFIG>" "-DSOURCE=${PROJECT_SOURCE_DIR}/tests/package"
    "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DGENERATOR=${CMAKE_GENERATOR}" "-DMAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}"
    "-DFLAGS=${NORMLAB_SANITIZE_FLAGS}" "-DVERSION=${PROJECT_VERSION}"
    -P "${PROJECT_SOURCE_DIR}/tests/package.cmake")
endfunction()
