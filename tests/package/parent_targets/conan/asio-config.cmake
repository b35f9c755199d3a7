# Asio as Conan's CMakeDeps gives it: asio::asio, whose properties depend on the configuration.
add_library(asio::asio INTERFACE IMPORTED)
set_target_properties(
    asio::asio
    PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "$<$<CONFIG:Debug>:${CMAKE_CURRENT_LIST_DIR}>"
        INTERFACE_COMPILE_DEFINITIONS "$<$<CONFIG:Debug>:ASIO_STANDALONE;MANAGED_ASIO>"
)
