// SPDX-License-Identifier: BSL-1.0
#include <weir/session/sse_exchange.hpp>

#include <string>
#include <string_view>

#include "catch.hpp"

using weir::error;
using weir::detail::sse_exchange;
using status = sse_exchange::status;

namespace {

std::string text_of(error why) { return weir::message(why); }

/// Everything that comes of it, in pieces of `size`.
std::string read(std::string_view text, std::size_t size, std::string_view method = "GET") {
    sse_exchange exchange{{.max_head_bytes = 64}};
    std::string out;
    for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
        std::string_view piece = text.substr(0, size);
        for (auto taken = exchange.next(piece); taken != status::need_more; taken = exchange.next(piece)) {
            if (taken == status::failed) return out + "!" + text_of(exchange.error());
            if (taken == status::complete) return out + ".";
            if (taken == status::data) out += exchange.data();
            if (taken != status::head) continue;
            out += std::to_string(exchange.response().status) + ":";
            if (const error why = exchange.begin_content(method, nullptr); why != error::none) {
                return out + "?" + text_of(why);
            }
        }
    }
    return out + (exchange.complete_at_end() ? "|" : "~");
}

}  // namespace

TEST_CASE("RFC 9112 6.3: head and content, however they are delimited and cut",
          "[session][sse_exchange][rfc9112-6.3]") {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    for (const std::size_t size : {1U, 2U, 3U, 5U, 1000U}) {
        CHECK(read(head + "\r\nabc", size) == "200:abc|");
        CHECK(read(head + "Content-Length: 2\r\n\r\nabc", size) == "200:ab.");
        CHECK(read(head + "Content-Length: 4\r\n\r\nabc", size) == "200:abc~");
        CHECK(read(head + "Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\n\r\nd", size) == "200:abc.");
        CHECK(read(head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nb", size) == "200:ab~");
        CHECK(read(head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab", size) == "200:a!" + text_of(error::bad_body));
        CHECK(read(head + "Content-Length: x\r\n\r\n", size) == "200:?" + text_of(error::bad_content_length));
        CHECK(read(head + "Content-Encoding: gzip\r\n\r\n", size) == "200:?" + text_of(error::unsupported_coding));
        CHECK(read(head + "\r\nabc", size, "HEAD") == "200:.");
        CHECK(read("HTTP/1.1 2", size) == "~");
        CHECK(read("HTTP/2 200 OK\r\n\r\n", size) == "!" + text_of(error::bad_status_line));
        CHECK(read(head + "X: " + std::string(64, 'x'), size) == "!" + text_of(error::head_too_large));
    }
}

TEST_CASE("RFC 9110 15.2: interim answers are passed over, a 101 is none", "[session][sse_exchange][rfc9110-15.2]") {
    const std::string interim = "HTTP/1.1 103 Hints\r\nX: y\r\n\r\n";
    for (const std::size_t size : {1U, 7U, 1000U}) {
        CHECK(read(interim + interim + "HTTP/1.1 200 OK\r\n\r\nabc", size) == "200:abc|");
        CHECK(read("HTTP/1.1 101 x\r\n\r\n", size) == "101:.");
        std::string many;
        for (int i = 0; i < 33; ++i) many += interim;
        CHECK(read(many, size) == "!" + text_of(error::head_too_large));
    }
}

TEST_CASE("sse_exchange: ready for another answer, whatever became of the last", "[session][sse_exchange]") {
    sse_exchange exchange;
    for (const std::string_view text : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "garbage", "HTTP/1.1 20"}) {
        CHECK_FALSE(exchange.has_begun());
        std::string_view in = text;
        if (exchange.next(in) == status::head) {
            CHECK(exchange.begin_content("GET", nullptr) == error::none);
            CHECK(exchange.next(in) == status::data);
            CHECK(exchange.data() == "ab");
            CHECK(exchange.data().data() == text.data() + text.size() - 2);
        }
        CHECK(exchange.has_begun());
        CHECK_FALSE(exchange.complete_at_end());
        exchange.restart();
        CHECK(exchange.error() == error::none);
    }
}
