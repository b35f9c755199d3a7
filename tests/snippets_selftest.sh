#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves that tests/snippets.sh can fail: a page that holds, then each fault in turn.

set -u
check=$(cd "$(dirname "$0")" && pwd)/snippets.sh
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0

mkdir -p "$tree/docs" "$tree/examples/sub"
cat >"$tree/examples/one.cpp" <<'END'
#include <cstdio>
int one() {
    prepare();
    // why
    return 1;
}
END
printf '%s\n' 'int main(int argc, char** argv) {' '    const auto wanted = 1;' '    run();' '}' >"$tree/examples/sub/two.cpp"
printf '%s\n' 'project(two)' 'add_executable(two two.cpp)' 'install(two)' >"$tree/examples/sub/CMakeLists.txt"
printf '%s\n' '```cpp' 'int one() {' '```' >"$tree/README.md"

# page <language> <line>...: a page with one block.
page() {
    {
        printf '%s\n\n```%s\n' '# A page' "$1"
        shift
        printf '%s\n' "$@"
        printf '```\n'
    } >"$tree/docs/page.md"
}

holds() {
    page "$@"
    output=$(sh "$check" "$tree") && return
    echo "does not hold: $*"
    echo "$output"
    failed=1
}

# breaks <what is said> <language> <line>...
breaks() {
    text=$1
    shift
    page "$@"
    if output=$(sh "$check" "$tree"); then
        echo "not noticed: $*"
        failed=1
    elif [ "$output" != "docs/page.md:3: $text" ]; then
        echo "said of $*:"
        echo "$output"
        failed=1
    fi
}

holds cpp 'int one() {' 'prepare();' '    // why'
holds cpp 'int one() {' '// ...' '    return 1;'
holds cpp 'int main() {' '    run();' '}'
holds cpp '// examples/one.cpp' '    return 1;' '}'
holds cmake '# examples/sub/CMakeLists.txt' 'project(two)' '# ...' 'install(two)'
holds sh 'anything --at all'
breaks 'this code is in no example' cpp 'int one() {' '    return 1;'
breaks 'this code is in no example' cpp 'int one() {' '// ...' '    return 2;'
breaks 'this code is in no example' cpp '    return 1;' '// ...' 'int one() {'
breaks 'this code is in no example' cpp 'int one() {' '// ...' 'run();'
breaks 'this is not in examples/one.cpp' cpp '// examples/one.cpp' 'run();'
breaks 'this is not in examples/sub/CMakeLists.txt' cmake '# examples/sub/CMakeLists.txt' 'project(two)' 'install(two)'
breaks 'there is no file examples/none.txt' text '# examples/none.txt' 'project(two)'

printf 'nothing\n' | tee "$tree/README.md" >"$tree/docs/page.md"
if sh "$check" "$tree" >"$tree/said"; then
    echo "not noticed: no C++ at all"
    failed=1
fi

exit $failed
