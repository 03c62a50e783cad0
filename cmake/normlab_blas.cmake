# normlab_blas: OpenBLAS (BLAS, CBLAS and LAPACK) as a target. Debian's OpenBLASConfig.cmake sets variables only, and its
# flavours sit in folders of their own. Used by the build and, where the library links it, by the installed package.
if(NOT TARGET normlab_blas)
  set(normlab_openblas_flavours openblas-pthread openblas-openmp openblas-serial openblas)
  find_library(NORMLAB_OPENBLAS_LIBRARY openblas PATH_SUFFIXES ${normlab_openblas_flavours})
  find_path(NORMLAB_OPENBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES
    ${normlab_openblas_flavours} ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread ${CMAKE_LIBRARY_ARCHITECTURE})
  mark_as_advanced(NORMLAB_OPENBLAS_LIBRARY NORMLAB_OPENBLAS_INCLUDE_DIR)
  if(NORMLAB_OPENBLAS_LIBRARY AND NORMLAB_OPENBLAS_INCLUDE_DIR)
    add_library(normlab_blas INTERFACE IMPORTED GLOBAL)
    target_include_directories(normlab_blas SYSTEM INTERFACE ${NORMLAB_OPENBLAS_INCLUDE_DIR})
    target_link_libraries(normlab_blas INTERFACE ${NORMLAB_OPENBLAS_LIBRARY})
  endif()
endif()
