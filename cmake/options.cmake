# normlab_options: what every target of normlab is compiled with. Link it PRIVATE; it is no part of the installed package.
add_library(normlab_options INTERFACE)
target_compile_features(normlab_options INTERFACE cxx_std_20)
set(options
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align
  -Wno-missing-field-initializers  # a designated initializer names what it sets; the rest has its default
  -ffp-contract=off)  # the compiler forms no fused multiply-adds of its own: results do not depend on how a loop is split
set(cuda_options
  --fmad=false  # likewise
  --expt-relaxed-constexpr  # constexpr functions of the library and the standard library are called in kernels
  -diag-suppress=554  # a conversion of a view to itself "will not be called"
  -Xcompiler=-Wall,-Wextra,-Wshadow,-Wno-missing-field-initializers,-ffp-contract=off)
if(NORMLAB_WERROR)
  list(APPEND options -Werror)
  list(APPEND cuda_options --Werror=all-warnings)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC guesses this one from inlined code and is often wrong under sanitizers and inside expression templates.
  list(APPEND options -Wno-maybe-uninitialized)
endif()
if(CMAKE_UNITY_BUILD)
  list(APPEND options -Wno-shadow)  # files compiled as one shadow each other's names
endif()
target_compile_options(normlab_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${options}>" "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_options}>")

# Sanitizers go into every target, so also into the tests' own main.
set(NORMLAB_SANITIZE_FLAGS "")
set(NORMLAB_SANITIZE_ABOVE "")
if(NORMLAB_SANITIZE)
  set(NORMLAB_SANITIZE_FLAGS -fsanitize=${NORMLAB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${NORMLAB_SANITIZE_FLAGS}>")  # nvcc knows none
  add_link_options(${NORMLAB_SANITIZE_FLAGS})
  if(NORMLAB_SANITIZE MATCHES "undefined")
    # Above norms and io without checks of the address at each access, which AddressSanitizer makes too, and without lines in its reports: these take a
    # third of the time of compiling.
    set(NORMLAB_SANITIZE_ABOVE -fno-sanitize=null,alignment,object-size,vptr,pointer-overflow -g0)
  endif()
endif()

# ThreadSanitizer understands OpenMP only through Archer, a library beside clang's libomp that is outside the loader's
# usual folders. An old-style run path makes libomp find it too (the test preset names it in OMP_TOOL_LIBRARIES).
if(NORMLAB_SANITIZE MATCHES "thread")
  file(REAL_PATH "${CMAKE_CXX_COMPILER}" compiler)
  cmake_path(GET compiler PARENT_PATH compiler_folder)
  find_library(NORMLAB_ARCHER archer HINTS "${compiler_folder}/../lib" NO_CACHE)
  if(NORMLAB_ARCHER)
    cmake_path(GET NORMLAB_ARCHER PARENT_PATH archer_folder)
    add_link_options(-Wl,--disable-new-dtags "-Wl,-rpath,${archer_folder}")
  else()
    message(WARNING "No libarcher.so beside ${CMAKE_CXX_COMPILER}: ThreadSanitizer will report races in OpenMP code that "
      "are none. Debian: apt-get install libomp-dev; compiler: clang++")
  endif()
endif()
