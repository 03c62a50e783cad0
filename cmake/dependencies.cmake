# What normlab is built from. Headers of all of these count as system headers, so that only normlab's own code can warn.
find_package(xtl REQUIRED)  # before xtensor, whose own search for it is not quiet
find_package(xtensor REQUIRED)  # target xtensor
find_package(Boost 1.74 CONFIG REQUIRED)  # target Boost::headers
find_package(fmt REQUIRED)  # compiled: in every file anew it takes a third of the time that building takes
find_package(CLI11 REQUIRED)  # CLI11::CLI11
find_package(nlohmann_json REQUIRED)  # nlohmann_json::nlohmann_json
find_package(benchmark REQUIRED)  # benchmark::benchmark
find_package(ZLIB REQUIRED)  # ZLIB::ZLIB
find_package(Threads REQUIRED)  # Threads::Threads
include(${CMAKE_CURRENT_LIST_DIR}/normlab_blas.cmake)  # normlab_blas
if(NOT TARGET normlab_blas)
  message(FATAL_ERROR "OpenBLAS not found. Debian: apt-get install libopenblas-dev")
endif()

# xtensor-blas: headers only. Its own CMake package is not used, since it looks for a BLAS of its own choosing.
find_path(NORMLAB_XTENSOR_BLAS_INCLUDE_DIR xtensor-blas/xlinalg.hpp REQUIRED)
add_library(normlab_xtensor_blas INTERFACE)
target_include_directories(normlab_xtensor_blas SYSTEM INTERFACE ${NORMLAB_XTENSOR_BLAS_INCLUDE_DIR})
target_link_libraries(normlab_xtensor_blas INTERFACE xtensor)
# verify multiplies small matrices, in five places. A Python wheel does it by the loops that xtensor-blas has of its own, and carries no BLAS.
option(NORMLAB_OPENBLAS "verify multiplies with OpenBLAS; OFF: with loops of xtensor-blas" ON)
mark_as_advanced(NORMLAB_OPENBLAS)
if(NORMLAB_OPENBLAS)
  target_link_libraries(normlab_xtensor_blas INTERFACE normlab_blas)
else()
  target_compile_definitions(normlab_xtensor_blas INTERFACE XTENSOR_USE_FLENS_BLAS)
endif()

# normlab_catch2: Catch2 2 or 3 with its main(). Tests ask __has_include(<catch2/catch.hpp>) for which one it is.
if(NORMLAB_TESTS)
  find_package(Catch2 REQUIRED)
  include(Catch)  # catch_discover_tests
  if(TARGET Catch2::Catch2WithMain)
    add_library(normlab_catch2 INTERFACE)
    target_link_libraries(normlab_catch2 INTERFACE Catch2::Catch2WithMain)
  else()
    file(CONFIGURE OUTPUT catch2_main.cpp CONTENT "#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n")
    add_library(normlab_catch2 STATIC ${CMAKE_CURRENT_BINARY_DIR}/catch2_main.cpp)
    target_link_libraries(normlab_catch2 PUBLIC Catch2::Catch2)
  endif()
endif()

# Optional parts.
# GCC's own quad arithmetic, for x86 among others (norms/quad.hpp). The size of a Quad is the same in every file.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES quadmath)
check_cxx_source_compiles(
  "#include <quadmath.h>\nint main(int n, char**) { return static_cast<int>(sqrtq(static_cast<__float128>(n))); }" NORMLAB_FLOAT128)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NORMLAB_FLOAT128)
  add_compile_definitions(NORMLAB_FLOAT128)
endif()
find_package(OpenMP QUIET COMPONENTS CXX)  # OpenMP::OpenMP_CXX
include(${CMAKE_CURRENT_LIST_DIR}/cuda.cmake)  # NORMLAB_CUDA, CUDA::cudart_static

function(normlab_print_summary)
  if(OpenMP_CXX_FOUND)
    message(STATUS "normlab: OpenMP: found (${OpenMP_CXX_VERSION})")
  else()
    message(STATUS "normlab: OpenMP: absent - everything runs on one thread")
  endif()
  if(NORMLAB_CUDA)
    message(STATUS "normlab: CUDA: found (${CUDAToolkit_VERSION}, ${CMAKE_CUDA_COMPILER})")
  else()
    message(STATUS "normlab: CUDA: absent (${NORMLAB_CUDA_ABSENT}) - `--impl cuda` is listed and cannot run")
  endif()
  get_property(python GLOBAL PROPERTY NORMLAB_PYTHON_EXECUTABLE)
  get_property(absent GLOBAL PROPERTY NORMLAB_PYTHON_ABSENT)
  if(python)
    message(STATUS "normlab: Python package: built for ${python}")
  else()
    message(STATUS "normlab: Python package: not built (${absent})")
  endif()
  get_property(peers GLOBAL PROPERTY NORMLAB_PEERS)
  foreach(peer IN LISTS peers)
    message(STATUS "normlab: ${peer}")
  endforeach()
endfunction()
