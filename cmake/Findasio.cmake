# Finds standalone Asio as asio::asio: the target of the parent project or of a package manager if there is one, else the
# header. Sets asio_FOUND, and asio_VERSION where it is known.

if(NOT TARGET asio::asio)
    find_package(asio CONFIG QUIET)
endif()
set(asio_origin "")
if(TARGET asio::asio)
    # Its directories may be generator expressions, or another target's: it is believed then, and its version is not asked.
    set(asio_origin asio::asio)
    get_target_property(asio_directories asio::asio INTERFACE_INCLUDE_DIRECTORIES)
    string(GENEX_STRIP "${asio_directories}" asio_directories)
    find_path(asio_INCLUDE_DIR asio.hpp PATHS ${asio_directories} NO_DEFAULT_PATH)
    unset(asio_directories)
else()
    find_path(asio_INCLUDE_DIR asio.hpp)
    if(asio_INCLUDE_DIR)
        set(asio_origin "${asio_INCLUDE_DIR}")
    endif()
endif()
mark_as_advanced(asio_INCLUDE_DIR)

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
    REQUIRED_VARS asio_origin
    VERSION_VAR asio_VERSION
    REASON_FAILURE_MESSAGE "standalone Asio: Debian's package is libasio-dev"
)

if(asio_FOUND AND NOT TARGET asio::asio)
    add_library(asio::asio INTERFACE IMPORTED)
    set_target_properties(asio::asio PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${asio_INCLUDE_DIR}")
endif()
unset(asio_origin)
