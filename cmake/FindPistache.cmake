# Finds Pistache as Pistache::Pistache: the target of a package manager if it gives one, else the library and its header.
# Sets Pistache_FOUND. Version 0.0.5's headers are too loose for clang 19: where they do not compile, it is not found.

if(NOT TARGET Pistache::Pistache)
    find_package(Pistache CONFIG QUIET)
endif()
if(NOT TARGET Pistache::Pistache)
    find_path(Pistache_INCLUDE_DIR pistache/http.h)
    find_library(Pistache_LIBRARY NAMES pistache)
    mark_as_advanced(Pistache_INCLUDE_DIR Pistache_LIBRARY)
    if(Pistache_INCLUDE_DIR AND Pistache_LIBRARY)
        add_library(Pistache::Pistache UNKNOWN IMPORTED)
        set_target_properties(
            Pistache::Pistache
            PROPERTIES IMPORTED_LOCATION "${Pistache_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${Pistache_INCLUDE_DIR}"
        )
    endif()
endif()

set(Pistache_target "")
if(TARGET Pistache::Pistache)
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES Pistache::Pistache)
    set(CMAKE_REQUIRED_FLAGS -std=c++20)
    check_cxx_source_compiles("#include <pistache/http.h>\nint main() {}" Pistache_compiles)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_FLAGS)
    if(Pistache_compiles)
        set(Pistache_target Pistache::Pistache)
    endif()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    Pistache
    REQUIRED_VARS Pistache_target
    REASON_FAILURE_MESSAGE "Pistache: Debian's package is libpistache-dev"
)
unset(Pistache_target)
