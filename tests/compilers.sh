#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Whether users' compilers have something to say of weir's headers, which they need not include as a system's:
#
#     sh tests/compilers.sh "<compiler> [option]..." <option>...
#
# The options say where the dependencies are. Exit status 0: not a word, in C++20 and C++23; 77: no such compiler here.

set -u
compiler=$1
shift

# What tests and examples are compiled with, and what others like to add. docs/compilers.md says what is not among them.
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
    -Woverloaded-virtual -Wcast-qual -Wcast-align -Wextra-semi -Wformat=2 -Wnull-dereference -Wundef -Wdouble-promotion
    -Werror"

# With its standard library, which may be another package.
if ! echo '#include <coroutine>' | $compiler -std=c++20 -x c++ -fsyntax-only - 2>/dev/null; then
    echo "not here: $compiler"
    exit 77
fi

folder=$(dirname "$0")
status=0
for standard in c++20 c++2b; do # as clang 16 still calls C++23
    # shellcheck disable=SC2086 # lists of options
    if $compiler -std=$standard -fsyntax-only $warnings -I"$folder/../include" "$@" "$folder/compilers/everything.cpp"; then
        echo "$compiler -std=$standard: ok"
    else
        echo "$compiler -std=$standard: failed"
        status=1
    fi
done
exit $status
