# `cmake --install`: the headers, the package files, and the find modules that those use.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/weir")

install(TARGETS weir_core EXPORT weirTargets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT weirTargets NAMESPACE weir:: DESTINATION "${package_dir}")

configure_package_config_file(
    "${CMAKE_CURRENT_LIST_DIR}/weirConfig.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/weirConfig.cmake"
    INSTALL_DESTINATION "${package_dir}"
    NO_SET_AND_CHECK_MACRO
)
# Before 1.0 a minor version may break its users.
write_basic_package_version_file(
    "${CMAKE_CURRENT_BINARY_DIR}/weirConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT
)
install(
    FILES
        "${CMAKE_CURRENT_BINARY_DIR}/weirConfig.cmake"
        "${CMAKE_CURRENT_BINARY_DIR}/weirConfigVersion.cmake"
        "${CMAKE_CURRENT_LIST_DIR}/Findasio.cmake"
        "${CMAKE_CURRENT_LIST_DIR}/Findliburing.cmake"
        "${CMAKE_CURRENT_LIST_DIR}/Findllhttp.cmake"
    DESTINATION "${package_dir}"
)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/weir")
