# llhttp as Conan's CMakeDeps gives it: llhttp::llhttp, whose properties depend on the configuration.
add_library(llhttp::llhttp INTERFACE IMPORTED)
set_target_properties(
    llhttp::llhttp
    PROPERTIES
        INTERFACE_LINK_LIBRARIES "$<$<CONFIG:Debug>:${MANAGED_LLHTTP_LIBRARY}>"
        INTERFACE_INCLUDE_DIRECTORIES "$<$<CONFIG:Debug>:${MANAGED_LLHTTP_INCLUDE_DIR}>"
        INTERFACE_COMPILE_DEFINITIONS "$<$<CONFIG:Debug>:MANAGED_LLHTTP>"
)
