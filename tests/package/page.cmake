# The CMake of docs/packages.md is that of the consumer projects, and its options are the Conan recipe's:
#
#   cmake -DSOURCE=<weir's source> -P page.cmake

cmake_minimum_required(VERSION 3.25)

# Lines without their indentation, each between two bars.
function(read_lines variable text)
    string(REGEX REPLACE "[ \t]*\n[ \t]*" "|" text "|\n${text}\n|")
    set(${variable} "${text}" PARENT_SCOPE)
endfunction()

file(GLOB consumers "${SOURCE}/tests/package/*/CMakeLists.txt")
set(known)
foreach(consumer IN LISTS consumers)
    file(READ "${consumer}" text)
    read_lines(lines "${text}")
    string(APPEND known "${lines}")
endforeach()

file(READ "${SOURCE}/docs/packages.md" page)
string(REPLACE ";" "," page "${page}")
string(REPLACE "[" "(" page "${page}") # a bracket would keep CMake from splitting the list below
string(REPLACE "]" ")" page "${page}")
string(REGEX MATCHALL "```cmake\n[^`]*```" blocks "${page}")
if(NOT blocks)
    message(FATAL_ERROR "docs/packages.md has no CMake")
endif()
foreach(block IN LISTS blocks)
    string(REGEX REPLACE "^```cmake\n(.*)\n```$" "\\1" block "${block}")
    read_lines(lines "${block}")
    string(REGEX REPLACE "^\\|+(.*[^|])\\|+$" "|\\1|" lines "${lines}")
    string(FIND "${known}" "${lines}" found)
    if(found EQUAL -1)
        message(FATAL_ERROR "this CMake of docs/packages.md is in no consumer project:\n${block}")
    endif()
endforeach()

file(READ "${SOURCE}/conanfile.py" recipe)
string(REGEX MATCHALL "weir/\\*:[a-z_]+=[A-Za-z]+" settings "${page}")
if(NOT settings)
    message(FATAL_ERROR "docs/packages.md has no options of the Conan recipe")
endif()
foreach(setting IN LISTS settings)
    string(REGEX MATCH ":([a-z_]+)=([A-Za-z]+)" unused "${setting}")
    if(NOT recipe MATCHES "\"${CMAKE_MATCH_1}\": \\[[^]\n]*${CMAKE_MATCH_2}[^]\n]*\\]")
        message(FATAL_ERROR "the Conan recipe has no such option: ${setting}")
    endif()
endforeach()
string(REGEX MATCH "\nweir/([0-9.]+)\n" unused "${page}")
if(NOT recipe MATCHES "version = \"${CMAKE_MATCH_1}\"")
    message(FATAL_ERROR "docs/packages.md has another version than the Conan recipe: ${CMAKE_MATCH_1}")
endif()
