// SPDX-License-Identifier: BSL-1.0

// A ws_client over TLS, and through a proxy.

#include <weir/server.hpp>
#include <weir/tls.hpp>
#include <weir/ws_client.hpp>

#include <cstddef>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/certificate.hpp"
#include "support/scripted_server.hpp"
#include "support/ws_client_fixture.hpp"

namespace {

namespace script = test::script;
using fixture = test::ws_client_fixture;
using weir::error;
using weir::ws_client;
using weir::ws_client_options;

/// Echoes over TLS, and cuts the connection on "over".
struct secure_server {
    secure_server() : app({.handle_signals = false}) {
        const test::certificate& own = test::any_certificate();
        app.ws("/", [](weir::ws_session ws) -> weir::awaitable<void> {
            while (auto message = co_await ws.async_receive()) {
                if (message->text() == "over") co_return ws.abort();
                co_await ws.async_send(*message);
            }
        });
        const weir::tls_options tls{.certificate_chain = own.text(), .private_key = own.key()};
        port = app.listen({.port = 0, .tls = tls});
        run = std::async(std::launch::async, [this] { app.run(); });
    }
    ~secure_server() {
        app.stop();
        run.wait();
    }

    std::string url() const { return "wss://localhost:" + std::to_string(port) + "/"; }

    weir::server app;
    std::uint16_t port = 0;
    std::future<void> run;
};

}  // namespace

TEST_CASE_METHOD(fixture, "ws_client: over TLS, and over TLS again", "[ws_client][tls]") {
    secure_server server;
    ws_client_options options = at_once();
    options.tls = weir::tls_client_options{.ca_text = test::any_certificate().text()};
    ws_client ws{context, server.url(), options};
    ws.handle_with(has.handlers());
    const std::string text(200'000, 'x');
    for (int i = 0; i != 3; ++i) {
        CHECK(ws.send(text) == error::none);
        CHECK(receive(ws) == text);
        ws.send("over");
        until([&] { return has.retries.size() == static_cast<std::size_t>(i) + 1; });
    }
    until([&] { return ws.is_open(); });
    ws.async_close(weir::ws_close_code::normal, {}, [&](weir::error_code ec) { has.closed = ec; });
    until([&] { return has.closed.has_value(); });
    CHECK_FALSE(*has.closed);
    CHECK(ws.stats().connections == 4);
}

TEST_CASE_METHOD(fixture, "ws_client: a server that is not trusted is not tried again", "[ws_client][tls]") {
    secure_server server;
    ws_client_options options = at_once();
    SECTION("nobody knows its certificate") { options.tls = weir::tls_client_options{}; }
    SECTION("it is for another name") {
        options.tls =
            weir::tls_client_options{.ca_text = test::any_certificate().text(), .server_name = "elsewhere.example"};
    }
    ws_client ws{context, server.url(), options};
    ws.handle_with(has.handlers());
    CHECK(receive(ws) == weir::message(error::untrusted_server));
    CHECK(has.retries.empty());
    CHECK(has.opened == 0);
}

TEST_CASE_METHOD(fixture, "ws_client: through a proxy, whose refusals pass", "[ws_client][proxy]") {
    test::scripted_server proxy{context,
                                {{test::answers(503)},
                                 {script::send{"HTTP/1.1 200 OK\r\n\r\n"}, script::next_request{}, test::switches(),
                                  test::says("x"), test::says_close(1000)}}};
    ws_client_options options = at_once();
    options.proxy = weir::http_proxy{proxy.url(), {{"Proxy-Authorization", "Basic dTpw"}}};
    ws_client ws{context, "ws://nowhere.example/chat", options};
    ws.handle_with(has.handlers());
    CHECK(receive(ws) == "x");
    CHECK(receive(ws) == "end");
    CHECK(has.retries == std::vector{make_error_code(error::proxy_refused)});
    REQUIRE(proxy.requests().size() == 3);
    CHECK(proxy.requests()[1].line() == "CONNECT nowhere.example:80 HTTP/1.1");
    CHECK(proxy.requests()[1].field("Proxy-Authorization") == "Basic dTpw");
    CHECK(proxy.requests()[2].line() == "GET /chat HTTP/1.1");
    CHECK(proxy.requests()[2].field("Host") == "nowhere.example");
    CHECK_FALSE(proxy.requests()[2].field("Proxy-Authorization"));
}
