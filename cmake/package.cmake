# The installed package: find_package(normlab), then normlab::norms. Called at the end of the top CMakeLists.
include(CMakePackageConfigHelpers)

function(normlab_install)
  # What the installed library must be linked with. Headers it only compiles with are wrapped in $<BUILD_INTERFACE:...> by
  # norms/CMakeLists.txt and are not asked of the package's user.
  get_target_property(links normlab_norms INTERFACE_LINK_LIBRARIES)
  string(REGEX REPLACE "\\$<(LINK_ONLY:)?\\$?<?BUILD_INTERFACE:[^>]*>+" "" links "${links}")
  set(NORMLAB_FIND_DEPENDENCIES "")
  if(links MATCHES "OpenMP::OpenMP_CXX")
    string(APPEND NORMLAB_FIND_DEPENDENCIES "find_dependency(OpenMP COMPONENTS CXX)\n")
  endif()
  if(links MATCHES "Threads::Threads")
    string(APPEND NORMLAB_FIND_DEPENDENCIES "find_dependency(Threads)\n")
  endif()
  if(links MATCHES "CUDA::cudart")
    string(APPEND NORMLAB_FIND_DEPENDENCIES "find_dependency(CUDAToolkit)\n")
  endif()
  if(links MATCHES "fmt::fmt")
    string(APPEND NORMLAB_FIND_DEPENDENCIES "find_dependency(fmt)\n")
  endif()
  if(links MATCHES "normlab_(xtensor_)?blas")
    string(APPEND NORMLAB_FIND_DEPENDENCIES "include(\"\${CMAKE_CURRENT_LIST_DIR}/normlab_blas.cmake\")\n")
  endif()

  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/normlab)
  set_target_properties(normlab_norms PROPERTIES EXPORT_NAME norms)
  install(TARGETS normlab_norms EXPORT normlabTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normlab)
  install(EXPORT normlabTargets NAMESPACE normlab:: DESTINATION ${folder})
  install(TARGETS normlab)

  # In the tree and installed alike: #include "norms/norm.hpp"
  file(GLOB headers CONFIGURE_DEPENDS norms/*.hpp norms/*.h)
  file(GLOB variant_headers CONFIGURE_DEPENDS norms/variants/*.hpp)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normlab/norms)
  install(FILES ${variant_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normlab/norms/variants)

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
