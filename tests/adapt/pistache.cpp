// SPDX-License-Identifier: BSL-1.0

#include <weir/adapt/pistache.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pistache/endpoint.h>
#include <pistache/http.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/end_of_session.hpp"

using namespace std::chrono_literals;
namespace Http = Pistache::Http;
using test::end_observer;
using test::end_of_session;

namespace {

using serving = std::function<void(const Http::Request&, Http::ResponseWriter&)>;

class handler final : public Http::Handler {
    HTTP_PROTOTYPE(handler)

public:
    explicit handler(serving serve) : serve_(std::move(serve)) {}
    void onRequest(const Http::Request& request, Http::ResponseWriter response) override { serve_(request, response); }

private:
    serving serve_;
};

class running_server {
public:
    explicit running_server(serving serve) : server_{Pistache::Address{Pistache::Ipv4::loopback(), Pistache::Port{0}}} {
        server_.init(Http::Endpoint::options().threads(1));
        server_.setHandler(std::make_shared<handler>(std::move(serve)));
        server_.serveThreaded();
    }
    ~running_server() { server_.shutdown(); }

    /// A connection that has asked for events.
    int ask(std::string_view more = {}) const {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(server_.getPort()));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        const std::string request = "GET /events?a=b HTTP/1.1\r\nHost: test\r\n" + std::string{more} + "\r\n";
        REQUIRE(::send(socket, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
        return socket;
    }
    /// What is answered, up to the end.
    std::string answer_to(std::string_view more) const {
        const int socket = ask(more);
        std::string all, buffer(4096, '\0');
        for (ssize_t n; (n = ::recv(socket, buffer.data(), buffer.size(), 0)) > 0;) {
            all.append(buffer, 0, static_cast<std::size_t>(n));
        }
        ::close(socket);
        return all;
    }

private:
    Http::Endpoint server_;
};

}  // namespace

TEST_CASE("pistache: a stream is answered, asked and ended", "[adapt][pistache]") {
    end_of_session end;
    weir::adapt::pistache_streams streams;
    const auto begin = [](auto& out) {
        out.ask([&out, n = out.last_event_id().number().value_or(0)](weir::time_point now) mutable {
            if (n == 44) return out.close(now), weir::never;
            out.send({.id = weir::event_id(++n), .data = "x"}, now);
            return now;
        });
    };
    const running_server server{[&](const Http::Request& request, Http::ResponseWriter& response) {
        streams.open(request, response.getPeer(), begin, {}, weir::close_delimited{}, end_observer{&end});
    }};
    const std::string answer = server.answer_to("Accept: text/event-stream\r\nLast-Event-ID: 41\r\n");
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.ends_with("\r\n\r\n:\n\nid: 42\ndata: x\n\nid: 43\ndata: x\n\nid: 44\ndata: x\n\n"));
    CHECK(end.wait() == weir::error_code{});
}

TEST_CASE("pistache: a refusal is the response", "[adapt][pistache]") {
    weir::adapt::pistache_streams streams;
    bool began = false;
    const running_server server{[&](const Http::Request& request, Http::ResponseWriter& response) {
        streams.open(request, response.getPeer(), [&](auto&) { began = true; });
    }};
    CHECK(server.answer_to("Accept: application/json\r\n").starts_with("HTTP/1.1 406 "));
    CHECK_FALSE(began);
}

TEST_CASE("pistache: a client that goes is noticed, though nothing is sent", "[adapt][pistache]") {
    end_of_session end;
    weir::adapt::pistache_streams streams;
    const running_server server{[&](const Http::Request& request, Http::ResponseWriter& response) {
        streams.open(request, response.getPeer(), [](auto&) {}, {}, weir::no_heartbeat{}, end_observer{&end});
    }};
    const int socket = server.ask();
    char first = 0;
    CHECK(::recv(socket, &first, 1, 0) == 1);
    ::close(socket);
    CHECK(end.wait() == weir::make_error_code(weir::error::peer_closed));
}

TEST_CASE("pistache: streams end with the object that drives them", "[adapt][pistache]") {
    end_of_session end;
    auto streams = std::make_unique<weir::adapt::pistache_streams>();
    const running_server server{[&](const Http::Request& request, Http::ResponseWriter& response) {
        streams->open(request, response.getPeer(), [](auto&) {}, {}, weir::no_heartbeat{}, end_observer{&end});
    }};
    const int socket = server.ask();
    char first = 0;
    CHECK(::recv(socket, &first, 1, 0) == 1);
    streams.reset();
    CHECK(end.wait() == weir::make_error_code(weir::error::closed));
    std::string rest(4096, '\0');
    while (::recv(socket, rest.data(), rest.size(), 0) > 0) {
    }
    ::close(socket);
}

TEST_CASE("pistache: a reader that is slow is the policies' business", "[adapt][pistache]") {
    end_of_session end;
    weir::adapt::pistache_streams streams;
    const auto begin = [](auto& out) { out.send({.data = std::string(20'000'000, 'x')}, weir::clock::now()); };
    const running_server server{[&](const Http::Request& request, Http::ResponseWriter& response) {
        streams.open(request, response.getPeer(), begin, {}, weir::stall_after{300ms}, end_observer{&end});
    }};
    const int socket = server.ask();  // and reads nothing
    CHECK(end.wait() == weir::make_error_code(weir::error::stalled));
    ::close(socket);
}
