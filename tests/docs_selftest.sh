#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves that tools/docs can fail: small pages and a small header that hold, then each fault in turn.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0

mkdir -p "$tree/docs" "$tree/tools" "$tree/examples" "$tree/include/weir"
cp "$root/tools/docs" "$root/tools/docs_links.py" "$tree/tools/"
cp -r "$root/docs/reference" "$tree/docs/"
sed -e '/^nav:/,$d' -e '/^extra_css/d' "$root/mkdocs.yml" >"$tree/mkdocs.yml"
echo 'int main() {}' >"$tree/examples/one.cpp"
for page in README CONTRIBUTING SECURITY CHANGELOG; do echo "# $page" >"$tree/$page.md"; done

# holds pages|reference <what>, breaks pages|reference <what> <text that must be said>
holds() {
    output=$(sh "$tree/tools/docs" "$1" "$tree/site" 2>&1) && return
    printf '%s\n' "does not hold: $2" "$output"
    failed=1
}
breaks() {
    if output=$(sh "$tree/tools/docs" "$1" "$tree/site" 2>&1); then
        echo "not noticed: $2"
        failed=1
    elif ! printf '%s' "$output" | grep -q "$3"; then
        printf '%s\n' "said of $2:" "$output"
        failed=1
    fi
}

page() { printf '%s\n' '# A page' '' "$1" >"$tree/docs/index.md"; }

page 'See [an example](../examples/one.cpp), [another page](reference/index.md), [far away](https://example.com/).'
holds pages 'links to what is there'
page 'See [an example](../examples/none.cpp).'
breaks pages 'a link to no example' 'none.cpp'
page 'See [a page](none.md).'
breaks pages 'a link to no page' 'none.md'
page 'See [below](#a-page).'
holds pages 'a link to a heading'
page 'See [below](#no-such-heading).'
breaks pages 'a link to no heading' 'there is no heading #no-such-heading'
page 'Nothing else.'
for link in docs/none.md docs/index.md#no-such-heading; do
    echo "[There]($link)" >"$tree/README.md"
    breaks pages "the README's link to $link" "README.md: there is no $link"
done
echo '[There](docs/index.md#a-page), [the law](CONTRIBUTING.md).' >"$tree/README.md"
holds pages "the README's links"
page '<img src="https://example.com/far.png">'
breaks pages 'a picture from elsewhere' 'loaded from elsewhere'

header() {
    printf '%s\n' '#pragma once' 'namespace weir {' "$@" '}  // namespace weir' >"$tree/include/weir/one.hpp"
}

header '/// Does it.' '/// Errors    none' 'void one();' 'namespace detail {' 'void two();' '}  // namespace detail'
holds reference 'a documented function, and one of detail'
header 'void one();'
breaks reference 'a function without a docstring' 'one.*is not documented'
header '/// A type.' 'struct one {' '    int member;  ///< a member' '    int other;' '};'
breaks reference 'a member without a docstring' 'other.*is not documented'
header '/// Calls \nothing.' 'void one();'
breaks reference 'an unknown command' 'nothing'
echo 'BEGIN { exit 1 } {' >"$tree/docs/reference/filter.awk"
header '/// Does it.' 'void one();'
breaks reference 'a filter that fails' 'awk'

exit $failed
