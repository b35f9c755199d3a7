// SPDX-License-Identifier: BSL-1.0
#include <weir/http/media_type.hpp>

#include "catch.hpp"

#include <string_view>

namespace http = weir::http;

TEST_CASE("RFC 9110 8.3: a file's extension decides its media type", "[http][media_type]") {
    CHECK(http::media_type_of("index.html") == "text/html; charset=utf-8");
    CHECK(http::media_type_of("/a.b/APP.JS") == "text/javascript; charset=utf-8");
    CHECK(http::media_type_of("style.min.css") == "text/css; charset=utf-8");
    CHECK(http::media_type_of("icon.svg") == "image/svg+xml");
}

TEST_CASE("RFC 9110 8.3: what is unknown is bytes, which browsers do not run", "[http][media_type]") {
    for (const std::string_view path : {"", "html", ".html", "a.html/", "a.html/b", "a.", "a.html.exe", "/.js"}) {
        CAPTURE(path);
        CHECK(http::media_type_of(path) == http::unknown_media_type);
    }
}
