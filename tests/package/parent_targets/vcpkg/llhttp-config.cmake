# llhttp as its own CMake files install it, which vcpkg builds: llhttp::llhttp_static, and no llhttp::llhttp.
add_library(llhttp::llhttp_static STATIC IMPORTED)
set_target_properties(
    llhttp::llhttp_static
    PROPERTIES
        IMPORTED_LOCATION "${MANAGED_LLHTTP_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${MANAGED_LLHTTP_INCLUDE_DIR}"
        INTERFACE_COMPILE_DEFINITIONS MANAGED_LLHTTP
)
