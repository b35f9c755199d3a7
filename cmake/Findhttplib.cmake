# Finds httplib as httplib::httplib: the target of a package manager if it gives one, else the library and its header.
# Sets httplib_FOUND.

include("${CMAKE_CURRENT_LIST_DIR}/WeirFindHost.cmake")
weir_find_host(httplib HEADER httplib.h LIBRARY cpp-httplib)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    httplib
    REQUIRED_VARS httplib_target
    REASON_FAILURE_MESSAGE "httplib: Debian's package is libcpp-httplib-dev"
)
unset(httplib_target)
