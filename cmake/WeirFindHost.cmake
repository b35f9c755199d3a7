# weir_find_host(<name> HEADER <header> LIBRARY <library>): finds <name> as <name>::<name>, the target of a
# package manager if it gives one, else the library and its header. For the find modules of hosts that weir's own
# programs are embedded in; sets <name>_target, which is empty where there is none, for the module's last word.
macro(weir_find_host name)
    cmake_parse_arguments(host "" "HEADER;LIBRARY" "" ${ARGN})
    if(NOT TARGET ${name}::${name})
        find_package(${name} CONFIG QUIET)
    endif()
    if(NOT TARGET ${name}::${name})
        find_path(${name}_INCLUDE_DIR ${host_HEADER})
        find_library(${name}_LIBRARY NAMES ${host_LIBRARY})
        mark_as_advanced(${name}_INCLUDE_DIR ${name}_LIBRARY)
        if(${name}_INCLUDE_DIR AND ${name}_LIBRARY)
            add_library(${name}::${name} UNKNOWN IMPORTED)
            set_target_properties(
                ${name}::${name}
                PROPERTIES
                    IMPORTED_LOCATION "${${name}_LIBRARY}"
                    INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIR}"
            )
        endif()
    endif()
    set(${name}_target "")
    if(TARGET ${name}::${name})
        set(${name}_target ${name}::${name})
    endif()
endmacro()
