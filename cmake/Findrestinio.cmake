# Finds RESTinio as restinio::restinio by its own package, and fmt, which that links without finding it.
# Sets restinio_FOUND and restinio_VERSION.

find_package(fmt QUIET)
find_package(restinio CONFIG QUIET)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    restinio
    REQUIRED_VARS restinio_CONFIG fmt_FOUND
    VERSION_VAR restinio_VERSION
    REASON_FAILURE_MESSAGE "RESTinio: Debian's package is librestinio-dev"
)
