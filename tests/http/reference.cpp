// SPDX-License-Identifier: BSL-1.0
#include <weir/http/reference.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace http = weir::http;
using namespace std::literals;

namespace {

std::string resolve(std::string_view base, std::string_view reference) {
    const auto from = http::parse_url(base);
    REQUIRE(from);
    const auto to = http::resolve_reference(*from, reference);
    if (!to) return "refused";
    CHECK(http::parse_url(to_string(*to)) == to);
    return to_string(*to);
}

struct example {
    std::string_view reference;
    std::string_view target;  // what follows "scheme://a"
};

// The document's base, in each of our schemes.
void check_examples(const std::vector<example>& examples) {
    for (const auto& scheme : {"http://"s, "https://"s, "ws://"s, "wss://"s}) {
        for (const auto& [reference, target] : examples) {
            CAPTURE(scheme, reference);
            CHECK(resolve(scheme + "a/b/c/d;p?q", reference) == scheme + "a" + std::string{target});
        }
    }
}

// RFC 3986 §5.2.4, step by step as it is written down there.
std::string remove_dot_segments_by_the_letter(std::string in) {
    std::string out;
    while (!in.empty()) {
        if (in.starts_with("../")) {
            in.erase(0, 3);
        } else if (in.starts_with("./") || in.starts_with("/./")) {
            in.erase(0, 2);
        } else if (in == "/.") {
            in = "/";
        } else if (in.starts_with("/../") || in == "/..") {
            in = in == "/.." ? "/" : in.substr(3);
            out.erase(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
        } else if (in == "." || in == "..") {
            in.clear();
        } else {
            const auto end = in.find('/', 1);
            out += in.substr(0, end);
            in.erase(0, end);
        }
    }
    return out;
}

bool same_origin(std::string_view a, std::string_view b) {
    return http::same_origin(http::parse_url(a).value(), http::parse_url(b).value());
}

}  // namespace

TEST_CASE("RFC 3986 5.4.1: the normal examples", "[http][reference][rfc3986-5.4]") {
    check_examples({{"g", "/b/c/g"},       {"./g", "/b/c/g"},   {"g/", "/b/c/g/"},    {"/g", "/g"},
                    {"?y", "/b/c/d;p?y"},  {"g?y", "/b/c/g?y"}, {"#s", "/b/c/d;p?q"}, {"g#s", "/b/c/g"},
                    {"g?y#s", "/b/c/g?y"}, {";x", "/b/c/;x"},   {"g;x", "/b/c/g;x"},  {"g;x?y#s", "/b/c/g;x?y"},
                    {"", "/b/c/d;p?q"},    {".", "/b/c/"},      {"./", "/b/c/"},      {"..", "/b/"},
                    {"../", "/b/"},        {"../g", "/b/g"},    {"../..", "/"},       {"../../", "/"},
                    {"../../g", "/g"}});
    CHECK(resolve("http://a/b/c/d;p?q", "//g") == "http://g/");
    CHECK(resolve("wss://a/b/c/d;p?q", "//g") == "wss://g/");
    CHECK(resolve("http://a/b/c/d;p?q", "g:h") == "refused");  // a scheme that is not ours
}

TEST_CASE("RFC 3986 5.4.2: the abnormal examples", "[http][reference][rfc3986-5.4]") {
    check_examples({{"../../../g", "/g"},
                    {"../../../../g", "/g"},
                    {"/./g", "/g"},
                    {"/../g", "/g"},
                    {"g.", "/b/c/g."},
                    {".g", "/b/c/.g"},
                    {"g..", "/b/c/g.."},
                    {"..g", "/b/c/..g"},
                    {"./../g", "/b/g"},
                    {"./g/.", "/b/c/g/"},
                    {"g/./h", "/b/c/g/h"},
                    {"g/../h", "/b/c/h"},
                    {"g;x=1/./y", "/b/c/g;x=1/y"},
                    {"g;x=1/../y", "/b/c/y"},
                    {"g?y/./x", "/b/c/g?y/./x"},
                    {"g?y/../x", "/b/c/g?y/../x"},
                    {"g#s/./x", "/b/c/g"},
                    {"g#s/../x", "/b/c/g"}});
    CHECK(resolve("http://a/b/c/d;p?q", "http:g") == "refused");  // "for strict parsers" it is no relative reference
}

TEST_CASE("RFC 3986 5.2.4: dot segments go as the document has them go", "[http][reference][rfc3986-5.2.4]") {
    std::string path;
    for (int count = 1, size = 0; size < 8; count *= 3, ++size) {
        for (int n = 0; n < count; ++n) {
            path = "/";
            for (int i = 0, digits = n; i < size; ++i, digits /= 3) path += "/.a"[digits % 3];
            const auto got = http::detail::without_dot_segments(path);
            if (got != remove_dot_segments_by_the_letter(path)) {
                CAPTURE(path);
                CHECK(got == remove_dot_segments_by_the_letter(path));
            }
        }
    }
    CHECK(path == "/aaaaaaa");
}

TEST_CASE("RFC 3986 5.2.2: an absolute reference stands for itself", "[http][reference][rfc3986-5.2]") {
    CHECK(resolve("http://a/b?c", "https://x.example:8443/y?z#f") == "https://x.example:8443/y?z");
    CHECK(resolve("http://a/b?c", "HTTP://x") == "http://x/");
    CHECK(resolve("http://a/b?c", "http://x/y/../z/.?/../") == "http://x/z/?/../");
    CHECK(resolve("http://a:8080/b", "//[::1]:81/x/./y") == "http://[::1]:81/x/y");
    CHECK(resolve("https://a:8080/b", "//x:443/") == "https://x/");
    CHECK(resolve("wss://a/b", "ws://x/") == "ws://x/");
}

TEST_CASE("RFC 3986 5.2.2: a relative reference keeps host and port", "[http][reference][rfc3986-5.2]") {
    CHECK(resolve("http://a:8080/b/c", "d") == "http://a:8080/b/d");
    CHECK(resolve("http://[::1]:8080/b/c", "/d?e") == "http://[::1]:8080/d?e");
    CHECK(resolve("http://a", "d") == "http://a/d");
    CHECK(resolve("http://a?b/c", "d") == "http://a/d");
    CHECK(resolve("http://a/b/../c?x", "?y") == "http://a/b/../c?y");
    CHECK(resolve("http://a/b", "/?u=http://x/") == "http://a/?u=http://x/");
    CHECK(resolve("http://a/b", "c?u=//x:y") == "http://a/c?u=//x:y");
    CHECK(resolve("http://a/b//c", "../d") == "http://a/b/d");
    CHECK(resolve("http://a/b/c", ".//d") == "http://a/b//d");
    CHECK(resolve("http://a/b/c", "%2e%2e/d") == "http://a/b/%2e%2e/d");
}

TEST_CASE("a backslash is a character of a path, and leads to no other host", "[http][reference]") {
    CHECK(resolve("http://a/b", "/\\x.example/") == "http://a/\\x.example/");
    CHECK(resolve("http://a/b", "\\\\x.example/") == "http://a/\\\\x.example/");
    CHECK(resolve("http://a/b", "http:\\\\x.example/") == "refused");
}

TEST_CASE("what no URL has is refused, wherever it stands", "[http][reference]") {
    for (const auto reference : {"a b"sv,
                                 " a"sv,
                                 "a "sv,
                                 "a\r\nb"sv,
                                 "\t"sv,
                                 "a\0b"sv,
                                 "\xc3\xbc"sv,
                                 "a\x7f"sv,
                                 "#a b"sv,
                                 "http://x/a b"sv,
                                 ":"sv,
                                 ":a"sv,
                                 "1:a"sv,
                                 "this:that"sv,
                                 "javascript:alert(1)"sv,
                                 "data:text/plain,x"sv,
                                 "ftp://x/"sv,
                                 "http:"sv,
                                 "http:/a"sv,
                                 "http://"sv,
                                 "http:///a"sv,
                                 "//"sv,
                                 "///a"sv,
                                 "//user@x/"sv,
                                 "http://u:p@x/"sv,
                                 "//x:0/"sv,
                                 "//x:65536/"sv,
                                 "//x:y/"sv,
                                 "//[::1/"sv,
                                 "//a b/"sv,
                                 "//a,b/"sv}) {
        CAPTURE(reference);
        CHECK(resolve("http://a/b", reference) == "refused");
    }
    CHECK(resolve("http://a/b", "./this:that") == "http://a/this:that");
}

TEST_CASE("RFC 6454 5: an origin is a scheme, a host and a port", "[http][reference][rfc6454-5]") {
    CHECK(same_origin("http://a/b", "http://a/c?d"));
    CHECK(same_origin("http://A.example/", "http://a.EXAMPLE:80/"));
    CHECK(same_origin("https://a:443/", "https://a"));
    CHECK(same_origin("http://[::1]:81/", "http://[::1]:081/"));
    CHECK_FALSE(same_origin("http://a/", "https://a/"));
    CHECK_FALSE(same_origin("http://a/", "ws://a/"));
    CHECK_FALSE(same_origin("http://a/", "http://a:81/"));
    CHECK_FALSE(same_origin("http://a/", "http://b.a/"));
    CHECK_FALSE(same_origin("http://a:443/", "https://a:443/"));
    CHECK_FALSE(same_origin("http://[::1]/", "http://[0::1]/"));
}

TEST_CASE("RFC 6454 6.2: an origin as text", "[http][reference][rfc6454-6.2]") {
    const auto origin = [](std::string_view text) { return http::origin_of(http::parse_url(text).value()); };
    CHECK(origin("HTTP://Example.COM:80/a?b") == "http://example.com");
    CHECK(origin("https://example.com:08443/") == "https://example.com:8443");
    CHECK(origin("http://example.com:443/") == "http://example.com:443");
    CHECK(origin("wss://[2001:DB8::1]/") == "wss://[2001:db8::1]");
    CHECK(origin("ws://[::1]:8080/") == "ws://[::1]:8080");
}
