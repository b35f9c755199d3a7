# Runs vcpkg's port against stand-ins for vcpkg's functions, which do what those do where it matters here, and checks the
# package that comes of it as vcpkg checks packages:
#
#   cmake -DSOURCE=<weir's source> -DWORK=<folder> -DGENERATOR=<generator> -DCOMPILER=<compiler> -P vcpkg_port.cmake

cmake_minimum_required(VERSION 3.25)
set(PORT weir)
set(port_dir "${SOURCE}/packaging/vcpkg/ports/weir")
set(CURRENT_PACKAGES_DIR "${WORK}/packages/weir")
file(REMOVE_RECURSE "${WORK}")

# ---------------------------------------------------------------------------------------------------------------------
# vcpkg.json: the version is weir's, a feature is a component, and its dependency the one that CMake looks for.

file(READ "${port_dir}/vcpkg.json" manifest)
string(JSON version GET "${manifest}" version)
file(STRINGS "${SOURCE}/CMakeLists.txt" project_version REGEX "^ +VERSION [0-9.]+$")
string(STRIP "${project_version}" project_version)
if(NOT project_version STREQUAL "VERSION ${version}")
    message(FATAL_ERROR "vcpkg.json has the version ${version}, the project ${project_version}")
endif()

# The names of vcpkg, and of find_package().
set(vcpkg_asio asio)
set(vcpkg_Boost boost-asio)
set(vcpkg_ZLIB zlib)
set(vcpkg_OpenSSL openssl)
set(vcpkg_liburing liburing)
file(READ "${SOURCE}/cmake/weirConfig.cmake.in" config)
string(REGEX MATCHALL "weir_add_part\\([a-z]+ weir::[a-z]+ PACKAGE [A-Za-z]+" parts "${config}")
set(components)
foreach(part IN LISTS parts)
    string(REGEX MATCH "\\(([a-z]+) weir::([a-z]+) PACKAGE ([A-Za-z]+)" unused "${part}")
    set(component "${CMAKE_MATCH_1}")
    set(target "${CMAKE_MATCH_2}")
    set(needed "${vcpkg_${CMAKE_MATCH_3}}")
    string(JSON dependency GET "${manifest}" features ${component} dependencies 0)
    if(NOT dependency STREQUAL needed)
        message(FATAL_ERROR "the feature ${component} depends on ${dependency}, not on ${needed}")
    endif()
    file(READ "${port_dir}/usage" usage)
    if(NOT usage MATCHES "weir::${target}[ )]")
        message(FATAL_ERROR "the usage does not name weir::${target}")
    endif()
    list(APPEND components ${component})
endforeach()
string(JSON feature_count LENGTH "${manifest}" features)
list(LENGTH components component_count)
if(component_count EQUAL 0 OR NOT feature_count EQUAL component_count)
    message(FATAL_ERROR "${feature_count} features, ${component_count} components")
endif()
string(JSON llhttp GET "${manifest}" dependencies 0)
string(JSON default GET "${manifest}" default-features 0)
if(NOT "${llhttp} ${default}" STREQUAL "llhttp asio")
    message(FATAL_ERROR "always ${llhttp}, by default ${default}")
endif()

# ---------------------------------------------------------------------------------------------------------------------
# portfile.cmake

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endfunction()

function(vcpkg_cmake_configure)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
    run("${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${WORK}/build" -G "${GENERATOR}"
        "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" ${arg_OPTIONS}
    )
endfunction()

function(vcpkg_cmake_install)
    run("${CMAKE_COMMAND}" --build "${WORK}/build" --target install)
endfunction()

function(vcpkg_cmake_config_fixup)
    if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/share/${PORT}/weirConfig.cmake")
        message(FATAL_ERROR "no package files in share/${PORT}")
    endif()
endfunction()

function(vcpkg_fixup_pkgconfig)
endfunction()

function(vcpkg_install_copyright)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
    file(COPY_FILE "${arg_FILE_LIST}" "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright")
endfunction()

include("${port_dir}/portfile.cmake")

# ---------------------------------------------------------------------------------------------------------------------
# The package

foreach(file IN ITEMS include/weir/config.hpp share/weir/weirConfig.cmake share/weir/copyright share/weir/usage)
    if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/${file}")
        message(FATAL_ERROR "the package has no ${file}")
    endif()
endforeach()
foreach(folder IN ITEMS debug lib bin share/cmake share/licenses)
    if(EXISTS "${CURRENT_PACKAGES_DIR}/${folder}")
        message(FATAL_ERROR "the package has ${folder}")
    endif()
endforeach()
file(GLOB_RECURSE texts "${CURRENT_PACKAGES_DIR}/share/*")
foreach(text IN LISTS texts)
    file(READ "${text}" content)
    foreach(path IN ITEMS "${WORK}" "${SOURCE}")
        string(FIND "${content}" "${path}" found)
        if(NOT found EQUAL -1)
            message(FATAL_ERROR "${text} has the absolute path ${path}")
        endif()
    endforeach()
endforeach()
