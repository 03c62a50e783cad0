# cpack -G DEB: the package normlab, and normlab-peers with the plug-ins of other libraries that were found, so that who does not want those need not install
# them. What they depend on is asked of dpkg-shlibdeps.
set(CPACK_PACKAGE_NAME normlab)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_CONTACT "The authors of normlab <normlab@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL normlab)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION math)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_NORMLAB_PACKAGE_NAME normlab)
set(CPACK_DEBIAN_NORMLAB_PACKAGE_RECOMMENDS gnuplot-nox)   # figures of studies and bench
set(CPACK_DEBIAN_NORMLAB_PACKAGE_SUGGESTS "cmake, g++, libfmt-dev, libopenblas-dev, zlib1g-dev")   # who builds with the headers
set(CPACK_COMPONENT_NORMLAB_DESCRIPTION
  "Verifies implementations of normalization layers: their outputs and gradients\nagainst bounds, identities and invariances. With the C++ library and its headers.")
get_property(built GLOBAL PROPERTY NORMLAB_PEERS_BUILT)
if(built)
  list(APPEND CPACK_COMPONENTS_ALL peers)
  set(CPACK_DEBIAN_PEERS_PACKAGE_NAME normlab-peers)
  set(CPACK_DEBIAN_PEERS_PACKAGE_DEPENDS "normlab (= ${PROJECT_VERSION})")
  set(CPACK_COMPONENT_PEERS_DESCRIPTION "Other libraries' normalizations as plug-ins of normlab, which verifies and times them.")
endif()
include(CPack)
