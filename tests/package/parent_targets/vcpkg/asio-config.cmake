# Asio as vcpkg gives it: asio::asio is another target's other name.
add_library(asio INTERFACE IMPORTED)
set_target_properties(asio PROPERTIES INTERFACE_COMPILE_DEFINITIONS MANAGED_ASIO)
add_library(asio::asio INTERFACE IMPORTED)
target_link_libraries(asio::asio INTERFACE asio)
