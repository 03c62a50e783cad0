# Installs the build into an empty prefix inside it, then builds tests/package, a project that knows nothing of normlab but
# find_package(normlab), with the same compiler, and runs it. Started by ctest: see normlab_add_package_test.
set(work ${BUILD}/package-test)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})

function(step)
  list(POP_FRONT ARGN what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${what} failed (${status}): ${command}\n${output}")
  endif()
  message(STATUS "${what}: ok\n${output}")
endfunction()

list(JOIN FLAGS " " flags)
function(configure folder)
  set(command ${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/${folder} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM} -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_BUILD_TYPE=${CONFIG} -DCMAKE_CXX_FLAGS=${flags} -Dnormlab_ROOT=${prefix} -DNORMLAB_EXPECTED_VERSION=${VERSION} ${ARGN} PARENT_SCOPE)
endfunction()

step("installing" ${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --prefix ${prefix})
configure(build -DCOMPONENTS=verify)
step("configuring the outside project" ${command})
step("building it" ${CMAKE_COMMAND} --build ${work}/build --config ${CONFIG})
step("running it" ${work}/build/outside)
step("checking a kernel with it" ${work}/build/outside_check)

# Where ZLIB and OpenBLAS are absent there is normlab::norms, and normlab::verify is refused with the reason.
set(absent -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON -DNORMLAB_OPENBLAS_LIBRARY=OFF)
configure(norms ${absent})
step("configuring it without ZLIB and OpenBLAS" ${command})
step("building it without them" ${CMAKE_COMMAND} --build ${work}/norms --config ${CONFIG})
step("running it without them" ${work}/norms/outside)
if(EXISTS ${work}/norms/outside_check)
  message(FATAL_ERROR "the outside project found normlab::verify: ZLIB and OpenBLAS were not hidden from it")
endif()
configure(refused ${absent} -DCOMPONENTS=verify)
execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "needs[ \n]+Threads")
  message(FATAL_ERROR "COMPONENTS verify without ZLIB and OpenBLAS ended with ${status} and does not say what is absent:\n${output}")
endif()
file(REMOVE_RECURSE ${work})
