# The programs of a project that uses weir, each a test of it: consumer_program(<name> <source> <target>...).

enable_testing()

function(consumer_program name source)
    add_executable(${name} "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/programs/${source}")
    target_link_libraries(${name} PRIVATE ${ARGN})
    add_test(NAME ${name} COMMAND ${name})
endfunction()
