#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves that tests/docs_proxies.sh can fail: a small page that holds, then each fault in turn.
#
# shellcheck disable=SC2016 # the page's backquotes are text

set -u
check=$(cd "$(dirname "$0")" && pwd)/docs_proxies.sh
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0

good_tree() {
    mkdir -p "$tree/docs" "$tree/tests/interop/proxies"
    rm -f "$tree"/tests/interop/proxies/*
    printf '%s\n' 'listen 443;' '' 'proxy_pass http://127.0.0.1:8080;' >"$tree/tests/interop/proxies/one.conf"
    printf '%s\n' 'bind :443' >"$tree/tests/interop/proxies/two.cfg"
    cat >"$tree/docs/proxies.md" <<'END'
<!-- tests/interop/proxies/one.conf -->

```nginx
listen 443;

proxy_pass http://127.0.0.1:8080;
```

<!-- tests/interop/proxies/two.cfg -->
```
bind :443
```

<!-- not tested -->

```yaml
timeout: 0s
```

```sh
curl https://app.example/
```
END
}

holds() {
    output=$(sh "$check" "$tree") && return
    echo "the good page does not hold:"
    echo "$output"
    failed=1
}

# breaks <text that must be said>: the check fails, and says so.
breaks() {
    if output=$(sh "$check" "$tree" 2>&1); then
        echo "not noticed: $1"
        failed=1
    elif ! printf '%s\n' "$output" | grep -qF "$1"; then
        echo "noticed, but not said: $1"
        echo "$output"
        failed=1
    fi
    good_tree
}

# edit <sed script>: of the page.
edit() { sed "$1" "$tree/docs/proxies.md" >"$tree/page" && mv "$tree/page" "$tree/docs/proxies.md"; }

good_tree
holds

edit 's/listen 443/listen 80/'
breaks 'the block is not tests/interop/proxies/one.conf'

echo 'one more' >>"$tree/tests/interop/proxies/one.conf"
breaks 'the block is not tests/interop/proxies/one.conf'

edit '/^proxy_pass/d'
breaks 'the block is not tests/interop/proxies/one.conf'

edit '/two.cfg/d'
breaks 'docs/proxies.md:9: a block without a file'

edit 's/<!-- not tested -->/<!-- tested, honestly -->/'
breaks 'docs/proxies.md:16: a block without a file'

edit 's/^<!-- not tested -->$/&\
words/'
breaks 'a block without a file'

: >"$tree/tests/interop/proxies/three.conf"
breaks 'tests/interop/proxies/three.conf is not in it'

rm "$tree/tests/interop/proxies/two.cfg"
breaks 'there is no tests/interop/proxies/two.cfg'

rm "$tree/docs/proxies.md"
breaks 'proxies.md'

exit "$failed"
