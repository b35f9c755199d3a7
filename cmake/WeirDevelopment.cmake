# How weir's own tests, examples, benchmarks and fuzz targets are compiled. Users see none of it.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# weir::with_asio: weir with the Asio that WEIR_USE_BOOST_ASIO chooses.
set(with_asio weir::weir)
if(WEIR_USE_BOOST_ASIO)
    set(with_asio weir::boost)
endif()
if(NOT TARGET ${with_asio})
    message(FATAL_ERROR "tests, examples and benchmarks need ${with_asio}, and its Asio was not found")
endif()
add_library(weir_with_asio INTERFACE)
add_library(weir::with_asio ALIAS weir_with_asio)
target_link_libraries(weir_with_asio INTERFACE ${with_asio})
target_compile_definitions(weir_with_asio INTERFACE ASIO_NO_DEPRECATED BOOST_ASIO_NO_DEPRECATED)

# Options of every program of weir's own: link weir::development.
add_library(weir_development INTERFACE)
target_link_libraries(weir_development INTERFACE weir::with_asio)
target_compile_options(
    weir_development
    INTERFACE
        -Wall -Wextra -Wconversion -Wshadow -Wpedantic
        $<$<BOOL:${WEIR_WERROR}>:-Werror>
)

# The examples, the benchmarks and the interop programs are written for standalone Asio, as most programs are. With
# Boost.Asio they find, by those names, what Boost has in place of it: <asio/x.hpp> is <boost/asio/x.hpp>.
if(WEIR_USE_BOOST_ASIO)
    set(named "${PROJECT_BINARY_DIR}/boost_named_asio")
    get_target_property(boost Boost::headers INTERFACE_INCLUDE_DIRECTORIES)
    file(GLOB_RECURSE headers RELATIVE "${boost}/boost" "${boost}/boost/asio/*.hpp")
    list(FILTER headers EXCLUDE REGEX "/(detail|impl)/")
    foreach(header IN ITEMS asio.hpp ${headers})
        set(content "#include <boost/${header}>\nnamespace asio = boost::asio;\n")
        file(CONFIGURE OUTPUT "${named}/${header}" CONTENT "${content}" @ONLY)
    endforeach()
    target_include_directories(weir_development INTERFACE "${named}")
endif()

# Boost before 1.77 has no cancellation, and so no operators on awaitables either: what is about them is left out there.
set(WEIR_EXAMPLES_WITH_CANCELLATION sse_routes ws_embed)
set(WEIR_HAS_CANCELLATION ON)
if(WEIR_USE_BOOST_ASIO AND NOT "asio/cancellation_signal.hpp" IN_LIST headers)
    set(WEIR_HAS_CANCELLATION OFF)
    message(STATUS "This Boost.Asio has no cancellation: some tests and examples are left out")
endif()

if(WEIR_SANITIZE)
    set(sanitize -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_compile_options(weir_development INTERFACE ${sanitize})
    if(WEIR_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
        target_compile_options(weir_development INTERFACE -Wno-tsan) # of Asio's fences
    endif()
    target_link_options(weir_development INTERFACE ${sanitize})
endif()

# ccache, where there is one: a second build from scratch costs seconds. Precompiled headers need its leave.
find_program(WEIR_CCACHE ccache)
mark_as_advanced(WEIR_CCACHE)
if(WEIR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER "${WEIR_CCACHE}")
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${WEIR_CCACHE}"
    )
    target_compile_options(weir_development INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

# weir::separate: the same, and weir compiled once, for programs that see its declarations.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/weir_src.cpp" CONTENT "#include <weir/src.hpp>\n")
add_library(weir_separate STATIC EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/weir_src.cpp")
add_library(weir::separate ALIAS weir_separate)
target_link_libraries(weir_separate PUBLIC weir_development)
target_compile_definitions(weir_separate PUBLIC WEIR_SEPARATE_COMPILATION)

if(WEIR_SEPARATE_COMPILATION)
    add_library(weir::development ALIAS weir_separate)
else()
    add_library(weir::development ALIAS weir_development)
endif()

# weir_headers_alone: every header compiles as the first line of a file, and a second time in the same file.
# CMake's own VERIFY_INTERFACE_HEADER_SETS would take the options of the users, not these.
function(weir_add_headers_alone)
    set(sources)
    foreach(header IN LISTS WEIR_HEADERS)
        cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/include" OUTPUT_VARIABLE name)
        if(name STREQUAL "weir/uring.hpp" AND NOT LINUX)
            continue()
        endif()
        if(name MATCHES "^weir/adapt/" AND NOT name MATCHES "host_re(quest|sponse)")
            continue() # needs its host: tests/CMakeLists.txt
        endif()
        cmake_path(REPLACE_EXTENSION name LAST_ONLY .cpp OUTPUT_VARIABLE source)
        set(source "${PROJECT_BINARY_DIR}/headers_alone/${source}")
        file(CONFIGURE OUTPUT "${source}" CONTENT "#include <@name@>\n#include <@name@>\n" @ONLY)
        list(APPEND sources "${source}")
    endforeach()
    add_library(weir_headers_alone OBJECT ${sources})
    target_link_libraries(weir_headers_alone PRIVATE weir::with_asio weir::deflate weir::tls $<$<BOOL:${LINUX}>:weir::uring>)
    target_compile_definitions(weir_headers_alone PRIVATE ASIO_NO_TYPEID BOOST_ASIO_NO_TYPEID) # as -fno-rtti needs it
    target_compile_options(
        weir_headers_alone
        PRIVATE -O0 -g0 -fno-rtti -Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror
    )
endfunction()

# weir_develop_with_host(<target> [PACKAGE <package> [<version>]] LINKS <target>... [SOURCES <file>...]): a program of
# weir's own that has a host's Asio, or none, instead of that of weir::development. Without the host there is no target.
function(weir_develop_with_host target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PACKAGE;LINKS;SOURCES")
    if(arg_PACKAGE)
        list(GET arg_PACKAGE 0 package)
        find_package(${arg_PACKAGE} QUIET)
        if(NOT ${package}_FOUND)
            message(STATUS "${target}: no, as there is no ${package}")
            return()
        endif()
    endif()
    foreach(link IN LISTS arg_LINKS)
        if(NOT TARGET ${link})
            message(STATUS "${target}: no, as there is no ${link}")
            return()
        endif()
    endforeach()
    add_executable(${target} ${arg_SOURCES})
    target_link_libraries(${target} PRIVATE ${arg_LINKS})
    target_compile_options(${target} PRIVATE $<TARGET_PROPERTY:weir_development,INTERFACE_COMPILE_OPTIONS>)
    target_link_options(${target} PRIVATE $<TARGET_PROPERTY:weir_development,INTERFACE_LINK_OPTIONS>)
endfunction()
