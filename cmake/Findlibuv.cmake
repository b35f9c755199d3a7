# Finds libuv as libuv::libuv: the target of a package manager if it gives one, else the library and its header.
# Sets libuv_FOUND.

if(NOT TARGET libuv::libuv)
    find_package(libuv CONFIG QUIET)
endif()
if(NOT TARGET libuv::libuv)
    find_path(libuv_INCLUDE_DIR uv.h)
    find_library(libuv_LIBRARY NAMES uv)
    mark_as_advanced(libuv_INCLUDE_DIR libuv_LIBRARY)
    if(libuv_INCLUDE_DIR AND libuv_LIBRARY)
        add_library(libuv::libuv UNKNOWN IMPORTED)
        set_target_properties(
            libuv::libuv
            PROPERTIES IMPORTED_LOCATION "${libuv_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${libuv_INCLUDE_DIR}"
        )
    endif()
endif()

set(libuv_target "")
if(TARGET libuv::libuv)
    set(libuv_target libuv::libuv)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    libuv
    REQUIRED_VARS libuv_target
    REASON_FAILURE_MESSAGE "libuv: Debian's package is libuv1-dev"
)
unset(libuv_target)
