# Finds llhttp and gives it one name, llhttp::llhttp, wherever it comes from. In this order:
#   1. a target that exists already, or the package of a package manager: llhttp::llhttp, llhttp::llhttp_static,
#      llhttp::llhttp_shared;
#   2. an installed library and its header, with pkg-config's help (libllhttp) where there is pkg-config;
#   3. its C sources, as Debian 12's node-llhttp installs them: compiled as a static library of this build.
# Sets llhttp_FOUND and llhttp_VERSION. llhttp_ROOT, as a variable of CMake or of the environment, is searched first.

# 1. A target.
if(NOT TARGET llhttp::llhttp AND NOT TARGET llhttp::llhttp_static AND NOT TARGET llhttp::llhttp_shared)
    find_package(llhttp CONFIG QUIET)
endif()
set(llhttp_origin "")
foreach(candidate IN ITEMS llhttp::llhttp llhttp::llhttp_shared llhttp::llhttp_static)
    if(NOT llhttp_origin AND TARGET ${candidate})
        set(llhttp_origin ${candidate})
    endif()
endforeach()

# 2. A library.
if(NOT llhttp_origin)
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(llhttp_PC QUIET libllhttp)
    endif()
    # On some systems headers and sources are kept under share/.
    set(llhttp_prefixes ${llhttp_ROOT} $ENV{llhttp_ROOT} ${CMAKE_PREFIX_PATH} ${CMAKE_SYSTEM_PREFIX_PATH})
    find_path(
        llhttp_INCLUDE_DIR
        llhttp.h
        HINTS ${llhttp_PC_INCLUDE_DIRS} ${llhttp_prefixes}
        PATH_SUFFIXES include share/include/llhttp
    )
    find_library(llhttp_LIBRARY NAMES llhttp llhttp_static HINTS ${llhttp_PC_LIBRARY_DIRS})
    mark_as_advanced(llhttp_INCLUDE_DIR llhttp_LIBRARY)
    if(llhttp_INCLUDE_DIR AND llhttp_LIBRARY)
        set(llhttp_origin "${llhttp_LIBRARY}")
    endif()
endif()

# 3. Sources.
if(NOT llhttp_origin)
    find_path(
        llhttp_SOURCE_DIR
        NAMES llhttp.c
        HINTS ${llhttp_prefixes}
        PATH_SUFFIXES share/llhttp src/llhttp src
    )
    mark_as_advanced(llhttp_SOURCE_DIR)
    if(llhttp_INCLUDE_DIR AND EXISTS "${llhttp_SOURCE_DIR}/api.c" AND EXISTS "${llhttp_SOURCE_DIR}/http.c")
        set(llhttp_origin "${llhttp_SOURCE_DIR}")
    endif()
endif()

if(NOT llhttp_VERSION AND llhttp_INCLUDE_DIR)
    set(llhttp_VERSION "")
    file(STRINGS "${llhttp_INCLUDE_DIR}/llhttp.h" llhttp_lines REGEX "^#define LLHTTP_VERSION_(MAJOR|MINOR|PATCH) ")
    foreach(line IN LISTS llhttp_lines) # in the order major, minor, patch
        string(REGEX MATCH "[0-9]+$" number "${line}")
        string(APPEND llhttp_VERSION ".${number}")
    endforeach()
    string(REGEX REPLACE "^\\." "" llhttp_VERSION "${llhttp_VERSION}")
    unset(llhttp_lines)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    llhttp
    REQUIRED_VARS llhttp_origin
    VERSION_VAR llhttp_VERSION
    REASON_FAILURE_MESSAGE "llhttp, as a library or as its C sources: Debian 12's package is node-llhttp"
)

if(llhttp_FOUND AND NOT TARGET llhttp::llhttp)
    if(TARGET ${llhttp_origin})
        add_library(llhttp::llhttp INTERFACE IMPORTED)
        target_link_libraries(llhttp::llhttp INTERFACE ${llhttp_origin})
    elseif(llhttp_LIBRARY)
        add_library(llhttp::llhttp UNKNOWN IMPORTED)
        set_target_properties(
            llhttp::llhttp
            PROPERTIES IMPORTED_LOCATION "${llhttp_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${llhttp_INCLUDE_DIR}"
        )
    else()
        add_subdirectory("${CMAKE_CURRENT_LIST_DIR}/llhttp" "${CMAKE_CURRENT_BINARY_DIR}/weir_llhttp")
    endif()
endif()
unset(llhttp_origin)
unset(llhttp_prefixes)
