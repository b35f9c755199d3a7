# `cmake --install`: the headers, the package files for CMake and pkg-config, and the find modules that CMake's need.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(WEIR_INSTALL_CMAKEDIR "${CMAKE_INSTALL_DATADIR}/cmake/weir" CACHE STRING "Where the files for find_package() go")
mark_as_advanced(WEIR_INSTALL_CMAKEDIR)
set(package_dir "${WEIR_INSTALL_CMAKEDIR}")
set(pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(TARGETS weir_core EXPORT weirTargets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

# llhttp as a library, weir::llhttp, for installed users who have only its sources: else CMake compiles those for each of
# them, and pkg-config has nothing to say. Its header comes along, so that the two fit whatever the system has later.
set(WEIR_INSTALLS_LLHTTP OFF)
if(WEIR_INSTALL_LLHTTP AND TARGET weir_llhttp)
    set(WEIR_INSTALLS_LLHTTP ON)
    set_target_properties(weir_llhttp PROPERTIES EXPORT_NAME llhttp EXCLUDE_FROM_ALL OFF)
    target_include_directories(weir_llhttp INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/weir_llhttp>")
    install(TARGETS weir_llhttp EXPORT weirTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(FILES "${llhttp_INCLUDE_DIR}/llhttp.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/weir_llhttp")
    find_file(
        llhttp_LICENSE
        NAMES LICENSE-MIT LICENSE copyright
        PATHS "${llhttp_SOURCE_DIR}" "${llhttp_SOURCE_DIR}/.." "${llhttp_SOURCE_DIR}/../doc/node-llhttp"
        NO_DEFAULT_PATH REQUIRED
    )
    mark_as_advanced(llhttp_LICENSE)
    install(FILES "${llhttp_LICENSE}" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/weir" RENAME llhttp)
endif()

install(EXPORT weirTargets NAMESPACE weir:: DESTINATION "${package_dir}")
configure_package_config_file(
    "${CMAKE_CURRENT_LIST_DIR}/weirConfig.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/weirConfig.cmake"
    INSTALL_DESTINATION "${package_dir}"
    NO_SET_AND_CHECK_MACRO
)
# Before 1.0 a minor version may break its users.
set(independent ARCH_INDEPENDENT)
if(WEIR_INSTALLS_LLHTTP)
    set(independent)
endif()
write_basic_package_version_file(
    "${CMAKE_CURRENT_BINARY_DIR}/weirConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion
    ${independent}
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
install(FILES "${CMAKE_CURRENT_LIST_DIR}/llhttp/CMakeLists.txt" DESTINATION "${package_dir}/llhttp")

# weir.pc and weir-boost.pc: wherever they are moved to, the prefix is found from there. Asio is expected on the compiler's
# path, as neither Debian's nor Boost's has a .pc file to require.
cmake_path(
    RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir}"
    OUTPUT_VARIABLE pc_up
)
set(pc_include_dir "\${prefix}")
cmake_path(APPEND pc_include_dir "${CMAKE_INSTALL_INCLUDEDIR}") # which may be absolute
set(pc_lib_dir "\${prefix}")
cmake_path(APPEND pc_lib_dir "${CMAKE_INSTALL_LIBDIR}")
if(WEIR_INSTALLS_LLHTTP)
    set(pc_cflags " -I\${includedir}/weir_llhttp")
    set(pc_libs " -L\${libdir} -lweir_llhttp")
else()
    set(pc_requires libllhttp)
endif()
function(weir_install_pkgconfig pc_name pc_asio pc_definition)
    configure_file("${PROJECT_SOURCE_DIR}/cmake/weir.pc.in" "${CMAKE_CURRENT_BINARY_DIR}/${pc_name}.pc" @ONLY)
    install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${pc_name}.pc" DESTINATION "${pkgconfig_dir}")
endfunction()
weir_install_pkgconfig(weir "standalone Asio" ASIO_STANDALONE)
weir_install_pkgconfig(weir-boost "Boost.Asio" WEIR_USE_BOOST_ASIO)

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/weir")

if(PROJECT_IS_TOP_LEVEL)
    include(WeirCPack)
endif()
