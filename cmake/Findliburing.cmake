# Finds liburing as liburing::liburing: the target of a package manager if it gives one, else the library and its header,
# with pkg-config's help where there is pkg-config.
# Sets liburing_FOUND and liburing_VERSION, the latter where it is known. liburing_ROOT, as a variable of CMake or of the
# environment, is searched first.

if(NOT TARGET liburing::liburing)
    find_package(liburing CONFIG QUIET)
endif()
set(liburing_origin "")
if(TARGET liburing::liburing)
    set(liburing_origin liburing::liburing)
else()
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(liburing_PC QUIET liburing)
    endif()
    find_path(liburing_INCLUDE_DIR liburing.h HINTS ${liburing_PC_INCLUDE_DIRS})
    find_library(liburing_LIBRARY NAMES uring HINTS ${liburing_PC_LIBRARY_DIRS})
    mark_as_advanced(liburing_INCLUDE_DIR liburing_LIBRARY)
    if(liburing_INCLUDE_DIR AND liburing_LIBRARY)
        set(liburing_origin "${liburing_LIBRARY}")
        set(liburing_VERSION "${liburing_PC_VERSION}")
    endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    liburing
    REQUIRED_VARS liburing_origin
    VERSION_VAR liburing_VERSION
    REASON_FAILURE_MESSAGE "liburing: Debian's package is liburing-dev"
)

if(liburing_FOUND AND NOT TARGET liburing::liburing)
    add_library(liburing::liburing UNKNOWN IMPORTED)
    set_target_properties(
        liburing::liburing
        PROPERTIES IMPORTED_LOCATION "${liburing_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${liburing_INCLUDE_DIR}"
    )
endif()
unset(liburing_origin)
