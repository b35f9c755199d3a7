# Finds standalone Asio as asio::asio: the target of a package manager if it gives one, else the header.
# Sets asio_FOUND and asio_VERSION.

if(NOT TARGET asio::asio)
    find_package(asio CONFIG QUIET)
endif()
if(TARGET asio::asio)
    get_target_property(asio_directories asio::asio INTERFACE_INCLUDE_DIRECTORIES)
endif()

find_path(asio_INCLUDE_DIR asio.hpp HINTS ${asio_directories})
mark_as_advanced(asio_INCLUDE_DIR)
unset(asio_directories)

# `#define ASIO_VERSION 102201 // 1.22.1`
if(asio_INCLUDE_DIR AND EXISTS "${asio_INCLUDE_DIR}/asio/version.hpp")
    file(STRINGS "${asio_INCLUDE_DIR}/asio/version.hpp" asio_VERSION REGEX "^#define ASIO_VERSION [0-9]+")
    string(REGEX MATCH "[0-9]+" asio_VERSION "${asio_VERSION}")
    math(EXPR asio_major "${asio_VERSION} / 100000")
    math(EXPR asio_minor "${asio_VERSION} / 100 % 1000")
    math(EXPR asio_patch "${asio_VERSION} % 100")
    set(asio_VERSION "${asio_major}.${asio_minor}.${asio_patch}")
    unset(asio_major)
    unset(asio_minor)
    unset(asio_patch)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    asio
    REQUIRED_VARS asio_INCLUDE_DIR
    VERSION_VAR asio_VERSION
    REASON_FAILURE_MESSAGE "standalone Asio: Debian's package is libasio-dev"
)

if(asio_FOUND AND NOT TARGET asio::asio)
    add_library(asio::asio INTERFACE IMPORTED)
    set_target_properties(asio::asio PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${asio_INCLUDE_DIR}")
endif()
