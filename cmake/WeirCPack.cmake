# `cpack -G DEB`: libweir-dev for Debian. `cpack -G TGZ`: the same files in an archive. Call it in the build folder.

set(CPACK_PACKAGE_NAME weir)
set(CPACK_PACKAGE_CONTACT "weir's authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_FILE_NAME "weir-${PROJECT_VERSION}")
set(CPACK_VERBATIM_VARIABLES ON)

# llhttp is Debian 12's node-llhttp, C sources that the user's CMake compiles, unless WEIR_INSTALL_LLHTTP has it in the package.
set(CPACK_DEBIAN_PACKAGE_NAME libweir-dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libasio-dev (>= 1:1.22) | libboost-dev (>= 1.74)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "zlib1g-dev, libssl-dev, liburing-dev")
if(NOT WEIR_INSTALLS_LLHTTP)
    set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
    string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", node-llhttp | libllhttp-dev")
endif()
# Debian looks for the licence in a place of its own.
install(
    FILES "${PROJECT_SOURCE_DIR}/LICENSE"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/libweir-dev"
    RENAME copyright
    COMPONENT debian
    EXCLUDE_FROM_ALL
)
set(project_config "${CMAKE_CURRENT_BINARY_DIR}/WeirCPackDebian.cmake")
file(CONFIGURE OUTPUT "${project_config}" @ONLY CONTENT [[
if(CPACK_GENERATOR STREQUAL "DEB")
    list(APPEND CPACK_INSTALL_CMAKE_PROJECTS "@PROJECT_BINARY_DIR@" weir debian /)
endif()
]])
set(CPACK_PROJECT_CONFIG_FILE "${project_config}")
include(CPack)
