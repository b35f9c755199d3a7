// SPDX-License-Identifier: BSL-1.0
#include <weir/http/request_parser.hpp>

#include "catch.hpp"
#include "support/vectors.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http = weir::http;
using weir::error;
using status = http::request_parser::status;
using namespace std::literals;

namespace {

// A parse written out, so that two of them can be compared.
std::string describe(const http::request_parser& parser, status result) {
    if (result == status::need_more) return "need more";
    if (result == status::failed) return "failed: "s + weir::message(parser.error());
    const auto& request = parser.request();
    auto out = std::to_string(parser.head_size()) + ' ' + std::string{request.method} + ' ' +
               std::string{request.target} + ' ' + std::to_string(static_cast<int>(request.version));
    for (const auto& [name, value] : request.fields) out.append("\n").append(name).append("=").append(value);
    return out + "\nbody " + std::to_string(static_cast<int>(parser.body().kind)) + ' ' +
           std::to_string(parser.body().length);
}

// Offers prefixes of `text` of the sizes given, each in a buffer of exactly that size that the next replaces, so that a
// view into an older buffer, or a read beyond the end, is what the address sanitizer stops at.
std::string parse_growing(std::string_view text, const std::vector<std::size_t>& sizes, http::head_limits limits = {}) {
    http::request_parser parser{limits};
    std::unique_ptr<char[]> buffer;
    for (const auto size : sizes) {
        auto moved = std::make_unique<char[]>(size);
        text.copy(moved.get(), size);
        buffer = std::move(moved);
        const auto result = parser.parse({buffer.get(), size});
        if (result != status::need_more) return describe(parser, result);
    }
    return describe(parser, status::need_more);
}

// Whole, byte by byte, at every split, and with more behind it: all must agree.
std::string parse(std::string_view text, http::head_limits limits = {}) {
    const auto whole = parse_growing(text, {text.size()}, limits);
    std::vector<std::size_t> bytewise;
    for (std::size_t size = 1; size <= text.size(); ++size) bytewise.push_back(size);
    CHECK(parse_growing(text, bytewise, limits) == whole);
    for (std::size_t split = 0; split < text.size() && text.size() < 1000; ++split) {
        const auto pieces = parse_growing(text, {split, text.size()}, limits);
        if (pieces != whole) CHECK(pieces == whole);
    }
    const auto trailing = std::string{text} + "GET /next HTTP/1.1\r\n";
    if (whole != "need more") CHECK(parse_growing(trailing, {trailing.size()}, limits) == whole);
    return whole;
}

// The vectors hold bytes as latin-1 text, and JSON gives them as UTF-8.
std::string latin_1(std::string_view utf8) {
    std::string out;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        if (byte < 0x80)
            out.push_back(utf8[i]);
        else
            out.push_back(static_cast<char>(((byte & 3) << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3f)));
    }
    return out;
}

std::string failed(error e) { return "failed: "s + weir::message(e); }

std::string with_fields(std::string_view lines) {
    return "POST /x HTTP/1.1\r\nHost: a\r\n" + std::string{lines} + "\r\n";
}

}  // namespace

TEST_CASE("RFC 9112 2.1: a request head is parsed, however it arrives", "[http][request_parser]") {
    CHECK(parse("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n") == "37 GET / 1\nHost=example.com\nbody 0 0");
    CHECK(parse("POST /a?b=c HTTP/1.1\r\nHost:a\r\nContent-Length: 12 \r\nX-Empty:\r\nX-Ows: \t v w\t \r\n\r\n") ==
          "79 POST /a?b=c 1\nHost=a\nContent-Length=12\nX-Empty=\nX-Ows=v w\nbody 1 12");
    CHECK(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          "56 POST / 1\nHost=a\nTransfer-Encoding=chunked\nbody 2 0");
    CHECK(parse("GET / HTTP/1.0\r\n\r\n") == "18 GET / 0\nbody 0 0");
    CHECK(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") == "31 OPTIONS * 1\nHost=a\nbody 0 0");
    CHECK(parse("GET http://a:80/b HTTP/1.1\r\nHost: c\r\n\r\n") == "39 GET http://a:80/b 1\nHost=c\nbody 0 0");
    CHECK(parse("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n") ==
          "84 GET /chat 1\nHost=a\nConnection=keep-alive, Upgrade\nUpgrade=websocket\nbody 0 0");
}

TEST_CASE("RFC 9112 2.2: one empty line before the request is skipped and counted", "[http][request_parser]") {
    CHECK(parse("\r\nGET / HTTP/1.0\r\n\r\n") == "20 GET / 0\nbody 0 0");
    CHECK(parse("\r\n\r\nGET / HTTP/1.0\r\n\r\n") == failed(error::bad_request_line));
}

TEST_CASE("RFC 9112 3: malformed request lines", "[http][request_parser]") {
    for (const auto text :
         {"GET /\r\nHost: a\r\n\r\n"sv, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"sv, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
          "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"sv, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, "/ HTTP/1.1\r\n\r\n"sv,
          "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n"sv, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"sv,
          "GET * HTTP/1.1\r\nHost: a\r\n\r\n"sv, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv,
          "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"sv, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv,
          "GET / http/1.1\r\nHost: a\r\n\r\n"sv, "GET / RTSP/1.0\r\nHost: a\r\n\r\n"sv}) {
        CAPTURE(text);
        CHECK(parse(text) == failed(error::bad_request_line));
    }
}

TEST_CASE("RFC 9112 3: a request line of 8000 octets is taken by default", "[http][request_parser]") {
    const auto before = "GET /"s, after = " HTTP/1.1"s;
    const std::string line = before + std::string(8000 - before.size() - after.size(), 'a') + after;
    const std::string text = line + "\r\nHost: a\r\n\r\n";
    CHECK(parse_growing(text, {4000, text.size()}).starts_with("8013 GET /a"));
}

TEST_CASE("llhttp issue 877: bare LF in or after the request line, and no version", "[http][request_parser]") {
    for (const auto text : {"GET / HTTP/1.1\nHost: a\r\n\r\n"sv, "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"sv, "GET /\n\n"sv,
                            "GET /\r\n\r\n"sv, "GET / \r\n\r\n"sv, "GET /\rHTTP/1.1\r\n\r\n"sv}) {
        CAPTURE(text);
        CHECK(parse(text) == failed(error::bad_request_line));
    }
}

TEST_CASE("RFC 9110 9.1: unknown methods and CONNECT are not implemented", "[http][request_parser]") {
    for (const auto method : {"get"sv, "GETX"sv, "FOO"sv, "GE"sv, "M-FOO"sv}) {
        CAPTURE(method);
        CHECK(parse(std::string{method} + " / HTTP/1.1\r\nHost: a\r\n\r\n") == failed(error::unsupported_method));
    }
    CHECK(parse("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n") == failed(error::unsupported_method));
    CHECK(weir::http_status_for(error::unsupported_method) == 501);
}

TEST_CASE("RFC 9110 15.6.6: other versions", "[http][request_parser]") {
    CHECK(parse("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == failed(error::unsupported_version));
    CHECK(parse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == failed(error::unsupported_version));
    CHECK(parse("PRI / HTTP/1.1\r\nHost: a\r\n\r\n") != "need more");
    CHECK(parse("GET / HTTP/0.9\r\n\r\n") == failed(error::unsupported_version));
    CHECK(weir::http_status_for(error::unsupported_version) == 505);
}

TEST_CASE("CVE-2023-30589: a CR without LF does not end a field", "[http][request_parser]") {
    CHECK(parse(with_fields("X-Abc: \rxTransfer-Encoding: chunked\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("X-Abc:\rxTransfer-Encoding: chunked\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("X-Abc: y\rTransfer-Encoding: chunked\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("X-Abc: y\r\n\rTransfer-Encoding: chunked\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("X-Abc: y\nTransfer-Encoding: chunked\r\n")) == failed(error::bad_field));
}

TEST_CASE("CVE-2024-27982: a fold or a space before Content-Length", "[http][request_parser]") {
    CHECK(parse("GET / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n") == failed(error::bad_field));
    CHECK(parse(with_fields("X: y\r\n Content-Length: 5\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("Content-Length : 5\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("Content-Length\t: 5\r\n")) == failed(error::bad_field));
    CHECK(parse(with_fields("Content-Length:\r\n 5\r\n")) == failed(error::bad_field));
}

TEST_CASE("RFC 9112 5: malformed field lines", "[http][request_parser]") {
    for (const auto line : {": b\r\n"sv, "a\r\n"sv, "a b: c\r\n"sv, "a\0: b\r\n"sv, "a: b\0c\r\n"sv, "a: \x01\r\n"sv,
                            "a: \x7f\r\n"sv, "a(: b\r\n"sv, "\xc3\xbc: b\r\n"sv, "a: b\r\r\n"sv}) {
        CAPTURE(line);
        CHECK(parse(with_fields(line)) == failed(error::bad_field));
    }
    CHECK(parse(with_fields("a: \xc3\xbc\t\"\r\n")) != failed(error::bad_field));
}

TEST_CASE("RFC 9112 3.2: Host is there once, and is a host", "[http][request_parser]") {
    for (const auto fields :
         {""sv, "Host: a\r\nHost: a\r\n"sv, "Host: a\r\nhost: b\r\n"sv, "Host:\r\n"sv, "Host: a b\r\n"sv,
          "Host: a/b\r\n"sv, "Host: u@a\r\n"sv, "Host: a:x\r\n"sv, "Host: a, b\r\n"sv, "Host: http://a\r\n"sv}) {
        CAPTURE(fields);
        CHECK(parse("GET / HTTP/1.1\r\n" + std::string{fields} + "\r\n") == failed(error::bad_host));
    }
    CHECK(parse("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n") == failed(error::bad_host));
    CHECK(parse("GET / HTTP/1.0\r\nHost: a b\r\n\r\n") == failed(error::bad_host));
}

TEST_CASE("RFC 9112 6.3: lengths that conflict, and codings not understood", "[http][request_parser]") {
    for (const auto lines :
         {"Content-Length: 5\r\nContent-Length: 6\r\n"sv, "Content-Length: 5\r\nContent-Length: 5\r\n"sv,
          "Content-Length: 5, 5\r\n"sv, "Content-Length: +5\r\n"sv, "Content-Length: \r\n"sv,
          "Content-Length: 5x\r\n"sv, "Content-Length: 99999999999999999999\r\n"sv,
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"sv,
          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"sv}) {
        CAPTURE(lines);
        CHECK(parse(with_fields(lines)) == failed(error::bad_content_length));
    }
    CHECK(parse(with_fields("Transfer-Encoding: gzip\r\n")) == failed(error::unsupported_coding));
    CHECK(parse(with_fields("Transfer-Encoding: gzip, chunked\r\n")) == failed(error::unsupported_coding));
    CHECK(parse(with_fields("Transfer-Encoding: chunked, gzip\r\n")) == failed(error::bad_body));
    CHECK(parse(with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")) ==
          failed(error::bad_body));
    CHECK(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == failed(error::bad_body));
    CHECK(weir::http_status_for(error::unsupported_coding) == 501);
}

TEST_CASE("RFC 6585 5, RFC 9110 15.5.15: limits", "[http][request_parser]") {
    std::string many;
    for (int i = 0; i < 100; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
    CHECK(parse_growing(with_fields(many), {with_fields(many).size()}) == failed(error::too_many_fields));
    CHECK(parse("GET /12345678 HTTP/1.1\r\nHost: a\r\n\r\n", {.max_target_bytes = 8}) ==
          failed(error::target_too_long));
    CHECK(parse("GET / HTTP/1.1\r\nHost: abcdefghi\r\n\r\n", {.max_head_bytes = 30}) == failed(error::head_too_large));
    CHECK(weir::http_status_for(error::too_many_fields) == 431);
    CHECK(weir::http_status_for(error::target_too_long) == 414);
}

TEST_CASE("RFC 9112 9.3.2: what follows the head is left, and the parser serves the next one",
          "[http][request_parser]") {
    const auto stream = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"s;
    http::request_parser parser;
    REQUIRE(parser.parse(stream) == status::complete);
    CHECK(parser.request().target == "/1");
    CHECK(parser.keep_alive());
    const auto rest = std::string_view{stream}.substr(parser.head_size());
    parser.reset();
    REQUIRE(parser.parse(rest) == status::complete);
    CHECK(parser.request().target == "/2");
    CHECK(parser.request().fields.find("host") == "b");
    CHECK_FALSE(parser.keep_alive());
    CHECK(parser.head_size() == rest.size());
}

TEST_CASE("RFC 9110 10.1.1: the client that waits for 100 is known", "[http][request_parser]") {
    http::request_parser parser;
    const auto text = with_fields("Expect: 100-continue\r\nContent-Length: 5\r\n");
    REQUIRE(parser.parse(text) == status::complete);
    CHECK(parser.expects_continue());
}

TEST_CASE("handshake vectors: what concerns the head alone is refused with the status asked for",
          "[http][request_parser]") {
    // Vectors whose rule is HTTP's own; the others are well-formed requests, refused by the WebSocket handshake.
    const std::vector<std::string_view> faulty{"two-content-lengths", "asterisk-target",         "headers-64k",
                                               "host-with-space",     "connect-method",          "obs-fold",
                                               "body-cl-and-te",      "bare-cr-in-header-value", "method-lowercase-get",
                                               "header-count-2000",   "target-with-space",       "request-line-64k",
                                               "host-twice",          "empty-header-name"};
    std::size_t refused = 0;
    const auto document = test::read_vectors("ws_handshake.json");
    for (const auto& vector : document.items()) {
        CAPTURE(vector["name"].text());
        const auto bytes = latin_1(vector["request"].text());
        http::request_parser parser;
        const auto result = parser.parse(bytes);
        CHECK(result != status::need_more);
        CHECK(parse_growing(bytes, {bytes.size() / 2, bytes.size()}) == parse_growing(bytes, {bytes.size()}));
        const auto& name = vector["name"].text();
        if (std::find(faulty.begin(), faulty.end(), name) == faulty.end()) {
            CHECK(result == status::complete);
            continue;
        }
        ++refused;
        REQUIRE(result == status::failed);
        std::vector<std::int64_t> acceptable;
        for (const auto& code : vector["status"].items()) acceptable.push_back(code.integer());
        const auto answer = weir::http_status_for(parser.error());
        CAPTURE(answer);
        CHECK(std::find(acceptable.begin(), acceptable.end(), answer) != acceptable.end());
    }
    CHECK(refused == faulty.size());
}

TEST_CASE("a moved parser still holds its request, and a failed one holds none", "[http][request_parser]") {
    const auto text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"s;
    http::request_parser parser;
    REQUIRE(parser.parse(text) == status::complete);
    const auto moved = std::move(parser);
    CHECK(moved.request().fields.find("Host") == "a");

    http::request_parser failing;
    REQUIRE(failing.parse("GET /1 HTTP/1.1\r\n\r\n") == status::failed);
    CHECK(failing.request().method.empty());
    CHECK(failing.request().fields.empty());
}
