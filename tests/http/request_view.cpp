// SPDX-License-Identifier: BSL-1.0
#include <weir/http/request_view.hpp>

#include "catch.hpp"

#include <string_view>
#include <vector>

namespace http = weir::http;

namespace {

struct row {
    std::string_view target, path, query;
};

bool keeps_alive(http::version version, std::vector<http::field_view> fields) {
    return weir::request_view{.method = "GET", .target = "/", .version = version, .fields = fields}.keep_alive();
}

}  // namespace

TEST_CASE("RFC 9112 3.2: path and query of every form of target", "[http][request_view]") {
    for (const auto& [target, path, query] :
         {row{"/", "/", ""}, row{"/a/b", "/a/b", ""}, row{"/a?b=c", "/a", "b=c"}, row{"/a?", "/a", ""},
          row{"/a?b?c", "/a", "b?c"}, row{"/%41?%42", "/%41", "%42"}, row{"//a//b", "//a//b", ""},
          row{"http://h/a?b", "/a", "b"}, row{"HTTPS://h:1/a", "/a", ""}, row{"http://h", "/", ""},
          row{"http://h?b", "/", "b"}, row{"http://h?b/c", "/", "b/c"}, row{"/a#f", "/a", ""},
          row{"/a?b#f?", "/a", "b"}, row{"/http://h/a", "/http://h/a", ""}, row{"*", "*", ""}, row{"host:80", "", ""},
          row{"", "", ""}}) {
        CAPTURE(target);
        const weir::request_view request{.method = "GET", .target = target};
        CHECK(request.path() == path);
        CHECK(request.query() == query);
    }
}

TEST_CASE("RFC 9112 3.2.2: an absolute target outranks Host", "[http][request_view]") {
    const std::vector<http::field_view> fields{{"Host", "field.example"}};
    CHECK(weir::request_view{.target = "/", .fields = fields}.authority() == "field.example");
    CHECK(weir::request_view{.target = "http://target.example:8080/x", .fields = fields}.authority() ==
          "target.example:8080");
    CHECK(weir::request_view{.target = "http://target.example?x", .fields = fields}.authority() == "target.example");
    CHECK(weir::request_view{.target = "/"}.authority().empty());
}

TEST_CASE("RFC 9112 9.3: who keeps the connection", "[http][request_view]") {
    using enum http::version;
    CHECK(keeps_alive(http_1_1, {}));
    CHECK(keeps_alive(http_1_1, {{"Connection", "keep-alive"}}));
    CHECK_FALSE(keeps_alive(http_1_1, {{"Connection", "CLOSE"}}));
    CHECK_FALSE(keeps_alive(http_1_1, {{"Connection", "keep-alive, close"}}));
    CHECK_FALSE(keeps_alive(http_1_0, {}));
    CHECK(keeps_alive(http_1_0, {{"Connection", "Keep-Alive"}}));
    CHECK_FALSE(keeps_alive(http_1_0, {{"Connection", "keep-alive"}, {"Connection", "close"}}));
    CHECK(keeps_alive(http_2, {{"Connection", "close"}}));  // the field means nothing there
}

TEST_CASE("RFC 9110 10.1.1: an HTTP/1.0 client does not wait for 100", "[http][request_view]") {
    const std::vector<http::field_view> fields{{"expect", "100-Continue"}};
    CHECK(weir::request_view{.fields = fields}.expects_continue());
    CHECK_FALSE(weir::request_view{.version = http::version::http_1_0, .fields = fields}.expects_continue());
    CHECK_FALSE(weir::request_view{}.expects_continue());
}

TEST_CASE("RFC 9110 10.1.1: an expectation that is not known is passed over", "[http][request_view]") {
    const auto waits = [](std::string_view value) {
        const std::vector<http::field_view> fields{{"Expect", value}};
        return weir::request_view{.fields = fields}.expects_continue();
    };
    CHECK_FALSE(waits("200-ok"));
    CHECK_FALSE(waits(""));
    CHECK(waits("200-ok, 100-continue"));
}
