# Finds Pistache as Pistache::Pistache: the target of a package manager if it gives one, else the library and its header.
# Sets Pistache_FOUND. Version 0.0.5's headers are too loose for clang 19: where they do not compile, it is not found.

include("${CMAKE_CURRENT_LIST_DIR}/WeirFindHost.cmake")
weir_find_host(Pistache HEADER pistache/http.h LIBRARY pistache)

if(Pistache_target)
    include(CheckCXXSourceCompiles)
    include(CMakePushCheckState)
    cmake_push_check_state(RESET)
    set(CMAKE_REQUIRED_LIBRARIES Pistache::Pistache)
    set(CMAKE_REQUIRED_FLAGS -std=c++20)
    check_cxx_source_compiles("#include <pistache/http.h>\nint main() {}" Pistache_compiles)
    cmake_pop_check_state()
    if(NOT Pistache_compiles)
        set(Pistache_target "")
    endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    Pistache
    REQUIRED_VARS Pistache_target
    REASON_FAILURE_MESSAGE "Pistache: Debian's package is libpistache-dev"
)
unset(Pistache_target)
