// SPDX-License-Identifier: BSL-1.0

// Uses a header that needs nothing, and one that needs llhttp: include paths, language level and libraries come with
// weir::core, and no Asio does.

#include <weir/http/request_parser.hpp>
#include <weir/sse/encoder.hpp>

#if defined(ASIO_VERSION) || defined(BOOST_ASIO_VERSION)
#error "the protocol layer includes Asio"
#endif

int main() {
    weir::http::request_parser parser;
    const auto status = parser.parse("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    const auto event = weir::sse::encode({.data = "hello"});
    return status == weir::http::request_parser::status::complete && event == "data: hello\n\n" ? 0 : 1;
}
