# An overlay port: it packages the tree that it lies in. In a registry this line is vcpkg_from_github(OUT_SOURCE_PATH
# SOURCE_PATH ...) with a release's hash; nothing else differs. vcpkg does not see that the tree has changed, so install
# with --no-binarycaching while working on it.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

# Headers only. What a feature brings is its dependency: the files are the same.
set(VCPKG_BUILD_TYPE release)
vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DWEIR_BUILD_TESTS=OFF
        -DWEIR_BUILD_EXAMPLES=OFF
        -DWEIR_INSTALL_CMAKEDIR=share/weir
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup()
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/licenses") # vcpkg's place for it is share/weir/copyright
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/weir")
