# Finds httplib as httplib::httplib: the target of a package manager if it gives one, else the library and its header.
# Sets httplib_FOUND.

if(NOT TARGET httplib::httplib)
    find_package(httplib CONFIG QUIET)
endif()
if(NOT TARGET httplib::httplib)
    find_path(httplib_INCLUDE_DIR httplib.h)
    find_library(httplib_LIBRARY NAMES cpp-httplib)
    mark_as_advanced(httplib_INCLUDE_DIR httplib_LIBRARY)
    if(httplib_INCLUDE_DIR AND httplib_LIBRARY)
        add_library(httplib::httplib UNKNOWN IMPORTED)
        set_target_properties(
            httplib::httplib
            PROPERTIES IMPORTED_LOCATION "${httplib_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${httplib_INCLUDE_DIR}"
        )
    endif()
endif()

set(httplib_target "")
if(TARGET httplib::httplib)
    set(httplib_target httplib::httplib)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    httplib
    REQUIRED_VARS httplib_target
    REASON_FAILURE_MESSAGE "httplib: Debian's package is libcpp-httplib-dev"
)
unset(httplib_target)
