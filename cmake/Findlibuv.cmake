# Finds libuv as libuv::libuv: the target of a package manager if it gives one, else the library and its header.
# Sets libuv_FOUND.

include("${CMAKE_CURRENT_LIST_DIR}/WeirFindHost.cmake")
weir_find_host(libuv HEADER uv.h LIBRARY uv)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    libuv
    REQUIRED_VARS libuv_target
    REASON_FAILURE_MESSAGE "libuv: Debian's package is libuv1-dev"
)
unset(libuv_target)
