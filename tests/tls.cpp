// SPDX-License-Identifier: BSL-1.0
#include <weir/tls.hpp>

#include <weir/server.hpp>

#include "catch.hpp"

#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/certificate.hpp"
#include "support/folder.hpp"
#include "support/running_server.hpp"
#include "support/tls_client.hpp"

using namespace std::chrono_literals;
using test::tls_client;
using weir::awaitable;
using weir::error_code;
using weir::request;
using weir::response;
using weir::sse_session;
namespace net = weir::net;
namespace ssl = net::ssl;

namespace {

weir::tls_options self_signed() {
    return {.certificate_chain = test::any_certificate().text(), .private_key = test::any_certificate().key()};
}

/// A server that also listens with TLS.
struct https_server : test::running_server {
    std::uint16_t tls_port = 0;

    explicit https_server(weir::server_options options = {}) : running_server(std::move(options)) {
        app().get("/hello", [](const request&) { return response{.body = "hi"}; });
        app().sse("/wait", [](sse_session out) -> awaitable<void> { co_await out.async_closed(); });
    }
    https_server& start(weir::tls_options options = self_signed()) {
        tls_port = app().listen({.port = 0, .tls = options});
        running_server::start();
        return *this;
    }
    tls_client connect_tls(const tls_client::configure_function& configure = {}, int receive_buffer = 0) const {
        return tls_client{tls_port, configure, receive_buffer};
    }
    bool is_alive() const { return connect_tls().fetch("/hello").body == "hi"; }
};

/// Waits for the end of a session, and tells its reason.
awaitable<void> tell_reason(sse_session out, std::promise<error_code>& to) {
    const error_code why = co_await out.async_closed();
    to.set_value(why);
}

// Bytes: more than a packet, or the connection would be slow for TCP's reasons.
constexpr int small_window = 256 * 1024;

// What a client says first: a TLS record with the beginning of a ClientHello.
constexpr std::string_view half_hello{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03zzzzzzzz", 19};

}  // namespace

// ---- requests ----

TEST_CASE("https: requests are answered as ever, beside http", "[tls]") {
    https_server server;
    server->get("/who", [](const request& r) {
        return response{.body = std::string{r.remote_address()} + (r.is_secure() ? " https" : " http")};
    });
    server->post("/echo", [](const request& r) { return response{.body = std::string{r.body()}}; });
    server.start();
    CHECK(server.connect().fetch("/who").body == "127.0.0.1 http");
    auto client = server.connect_tls();
    CHECK(client.fetch("/who").body == "127.0.0.1 https");
    CHECK(client.fetch("/nothing").status == 404);

    const std::string large(500'000, 'x');
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + large);
    CHECK(client.read_answer().body == large);
    for (const char c : std::string_view{"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"}) client.send({&c, 1});
    CHECK(client.read_answer().body == "hi");
    client.get("/hello").get("/who").get("/hello", "Connection: close\r\n");
    client.read_answer();
    client.read_answer();
    CHECK(client.read_answer().body == "hi");
    CHECK(client.read_to_end().empty());
    CHECK(client.end() == net::error::eof);
}

TEST_CASE("https: a client that reads slowly gets a large response whole, and its end", "[tls]") {
    const std::string large(8'000'000, 'x');
    https_server server;
    server->get("/large", [&](const request&) { return response{.body = large}; });
    server.start();
    auto client = server.connect_tls({}, small_window);
    client.get("/large", "Connection: close\r\n");
    CHECK(server.is_alive());
    CHECK(client.read_answer().body == large);
    CHECK(client.read_to_end().empty());
    CHECK(client.end() == net::error::eof);
}

TEST_CASE("https: a request in the same packet as the end of the handshake is not overlooked", "[tls]") {
    // With TLS 1.3 a client may send it at once; the event stream's session takes over a connection from which all has
    // been read already.
    https_server server;
    server.start();
    for (int i = 0; i < 20; ++i) {
        auto client = server.connect_tls();
        client.get("/wait").get("/ignored");
        CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
        if (i % 2 == 0) CHECK_FALSE(client.shutdown());
    }
}

TEST_CASE("https: connections are counted and limited", "[tls]") {
    https_server server{{.max_connections = 2}};
    server.start();
    auto one = server.connect_tls(), two = server.connect_tls();
    CHECK(one.fetch("/hello").body == "hi");
    CHECK(two.fetch("/hello").body == "hi");
    CHECK(server.connect_tls().handshake());
    CHECK(server->connections() == 2);
    one.shutdown();
    one.cut();
    while (server->connections() != 1) std::this_thread::yield();
    CHECK(server.is_alive());
}

// ---- event streams ----

TEST_CASE("https: a slow reader gets every event, in order", "[tls]") {
    https_server server;
    std::promise<void> blocked;
    server->sse("/events", [&](sse_session out) -> awaitable<void> {
        bool was_blocked = false;
        for (int i = 0; i < 20'000; ++i) {
            co_await out.async_send({.data = std::to_string(i) + std::string(static_cast<std::size_t>(i % 900), '.')});
            if (!was_blocked && out.stats().blocked) blocked.set_value();
            was_blocked = was_blocked || out.stats().blocked;
        }
    });
    server.start();
    auto client = server.connect_tls({}, small_window);
    client.get("/events", "Connection: close\r\n");
    test::value_of(blocked.get_future());
    CHECK(server.is_alive());
    for (int i = 0; i < 20'000; ++i) {
        const std::string text = "data: " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 900), '.');
        REQUIRE(client.read_until(text + "\n\n\r\n").find("data: ") != std::string::npos);
    }
    CHECK(client.read_to_end() == "0\r\n\r\n");
    CHECK(client.end() == net::error::eof);
}

TEST_CASE("https: events dropped for a slow reader leave the others whole", "[tls]") {
    // What TLS has begun to encrypt when the socket takes no more cannot be dropped or replaced any more.
    https_server server;
    std::promise<void> over;
    server->sse("/water",
                [&](sse_session out) -> awaitable<void> {
                    int number = 0;
                    for (; out.stats().dropped.total() < 500; ++number) {
                        const std::string size(static_cast<std::size_t>(number % 5'000), 'x');
                        out.send({.data = std::to_string(number) + ' ' + size});
                        if (out.stats().queued_messages > 5) co_await out.async_sleep(1ms);
                    }
                    over.set_value();
                    co_await out.async_send({.data = "end"});
                },
                {.close_delimited = true, .backpressure = weir::drop_oldest{.max_messages = 10}});
    server.start();
    auto client = server.connect_tls({}, small_window);
    client.get("/water");
    test::value_of(over.get_future());
    client.read_until("\r\n\r\n:\n\n");
    int last = -1, events = 0;
    for (;; ++events) {
        const std::string event = client.read_until("\n\n");
        REQUIRE(event.starts_with("data: "));
        if (event == "data: end\n\n") break;
        const int number = std::stoi(event.substr(6));
        REQUIRE(number > last);
        last = number;
        REQUIRE(event == "data: " + std::to_string(number) + ' ' +
                             std::string(static_cast<std::size_t>(number % 5'000), 'x') + "\n\n");
    }
    CHECK(events > 10);
    CHECK(client.read_to_end().empty());
    CHECK(client.end() == net::error::eof);
}

TEST_CASE("RFC 8446 6.1: a stream that ends says so, and a client that goes is noticed, however it goes", "[tls]") {
    https_server server;
    std::promise<error_code> why;
    server->sse("/told", [&](sse_session out) { return tell_reason(std::move(out), why); });
    server->sse("/two", [](sse_session out) -> awaitable<void> {
        co_await out.async_send({.data = "one"});
        co_await out.async_send({.data = "two"});
    });
    server.start();
    SECTION("it ends") {
        auto client = server.connect_tls();
        client.get("/two").read_until("data: two\n\n\r\n0\r\n\r\n");
        CHECK(client.read_to_end().empty());
        CHECK(client.end() == net::error::eof);  // and not stream_truncated
    }
    SECTION("close_notify") {
        auto client = server.connect_tls();
        client.get("/told").read_until("\r\n\r\n");
        client.shutdown();
        CHECK(test::value_of(why.get_future()) == weir::error::peer_closed);
    }
    SECTION("the end of the connection without it") {
        auto client = server.connect_tls();
        client.get("/told").read_until("\r\n\r\n");
        client.cut();
        const error_code reason = test::value_of(why.get_future());
        CHECK(reason == ssl::error::stream_truncated);
        CHECK(reason == weir::condition::closed);
    }
    SECTION("a reset") {
        auto client = server.connect_tls();
        client.get("/told").read_until("\r\n\r\n");
        client.reset();
        CHECK(test::value_of(why.get_future()) == net::error::connection_reset);
    }
}

TEST_CASE("https: aborted, a stream ends at once, whatever waits", "[tls]") {
    https_server server;
    std::promise<error_code> why;
    server->sse("/abort", [&](sse_session out) -> awaitable<void> {
        while (!out.stats().blocked) {
            out.send({.data = std::string(50'000, 'x')});
            co_await out.async_sleep(1ms);
        }
        out.abort();
        const error_code reason = co_await out.async_closed();
        why.set_value(reason);
    });
    server.start();
    auto client = server.connect_tls({}, small_window);
    client.get("/abort");
    CHECK(test::value_of(why.get_future()) == weir::error::closed);
    client.read_to_end();
    CHECK(client.end() != net::error::eof);
    CHECK(client.end() == weir::condition::closed);
    CHECK(server.is_alive());
}

TEST_CASE("https: a client that takes nothing is given up after the stall time", "[tls]") {
    https_server server;
    std::promise<error_code> why;
    server->sse("/flood",
                [&](sse_session out) -> awaitable<void> {
                    const std::string data(50'000, 'x');
                    error_code ec;
                    while (!ec) {
                        co_await out.async_send({.data = data}, net::redirect_error(net::use_awaitable, ec));
                    }
                    why.set_value(ec);
                },
                {.stall_timeout = 50ms});
    server.start();
    auto client = server.connect_tls({}, 4096);
    client.get("/flood");
    CHECK(test::value_of(why.get_future()) == weir::error::stalled);
}

TEST_CASE("https: many clients on several threads", "[tls]") {
    https_server server{{.threads = 3}};
    server->sse("/count", [](sse_session out) -> awaitable<void> {
        for (int i = 0; i < 200; ++i) co_await out.async_send({.data = std::to_string(i)});
    });
    server.start();
    std::vector<std::future<bool>> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(std::async(std::launch::async, [&server] {
            bool all = true;
            for (int round = 0; round < 5; ++round) {
                auto client = server.connect_tls();
                all = all && client.fetch("/hello").body == "hi";
                client.get("/count").read_until("data: 199\n\n\r\n0\r\n\r\n");
                all = all && client.read_to_end().empty() && client.end() == net::error::eof;
            }
            return all;
        }));
    }
    for (auto& client : clients) CHECK(test::value_of(std::move(client)));
}

// ---- the end of the server ----

TEST_CASE("https: drained, everybody is told, and nobody waits for a handshake", "[tls]") {
    https_server server;
    server.start();
    auto stream = server.connect_tls(), idle = server.connect_tls();
    stream.get("/wait").read_until(":\n\n\r\n");
    CHECK(idle.fetch("/hello").body == "hi");
    test::raw_client half{server.tls_port}, silent{server.tls_port};
    half.send(half_hello);
    while (server->connections() != 4) std::this_thread::yield();
    server->drain({.over = 2'000ms, .deadline = 600s});
    const std::string rest = stream.read_to_end();
    CHECK(rest.find("\r\nretry: ") != std::string::npos);
    CHECK(rest.ends_with("\r\n0\r\n\r\n"));
    CHECK(stream.end() == net::error::eof);
    stream.shutdown();
    stream.cut();
    idle.read_to_end();
    idle.cut();
    CHECK_NOTHROW(silent.read_to_end());
    CHECK_NOTHROW(half.read_to_end());
    silent.close();
    half.close();
    server.join();
}

TEST_CASE("https: destroyed with connections in every state, it closes them", "[tls]") {
    https_server server{{.threads = 2}};
    std::promise<void> blocked, kept;
    server->sse("/flood", [&](sse_session out) -> awaitable<void> {
        while (!out.stats().blocked) co_await out.async_send({.data = std::string(50'000, 'x')});
        blocked.set_value();
        co_await out.async_drained();
    });
    server->sse("/keep", [sessions = std::make_shared<std::vector<sse_session>>(), &kept](sse_session out) {
        sessions->push_back(std::move(out));
        kept.set_value();
    });
    server->get("/large", [](const request&) { return response{.body = std::string(20'000'000, 'x')}; });
    server.start();
    std::vector<std::unique_ptr<tls_client>> clients;
    for (const std::string_view target : {"/wait", "/flood", "/keep", "/large"}) {
        clients.push_back(std::make_unique<tls_client>(server.tls_port, nullptr, 4096));
        clients.back()->get(target).read_until("\r\n\r\n");
    }
    test::value_of(blocked.get_future());
    test::value_of(kept.get_future());
    test::raw_client half{server.tls_port}, silent{server.tls_port};
    half.send(half_hello);
    while (server->connections() != 6) std::this_thread::yield();
    server.destroy();
    for (const auto& client : clients) CHECK_NOTHROW(client->read_to_end());
    CHECK_NOTHROW(half.read_to_end());
    CHECK_NOTHROW(silent.read_to_end());
}

// ---- handshakes ----

TEST_CASE("https: what is no TLS ends the connection, and nothing else", "[tls][hostile]") {
    https_server server;
    server.start();
    for (const std::string_view bytes : {std::string_view{"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"},
                                         std::string_view{"\0\0\0\0\0\0\0\0", 8}, std::string_view{"\xff\xfe\xfd"},
                                         std::string_view{"\x16\x03\x01\xff\xff"
                                                          "aaaaaaaaaaaaaaa"},
                                         std::string_view{"\x15\x03\x01\x00\x02\x02\x28", 7}, std::string_view{}}) {
        test::raw_client client{server.tls_port};
        client.try_send(bytes);
        client.half_close();
        CHECK(client.read_to_end().find("HTTP/") == std::string::npos);
    }
    CHECK(server.is_alive());
}

TEST_CASE("https: a client may go away at any time of its handshake", "[tls][hostile]") {
    https_server server;
    server.start();
    for (std::size_t size = 0; size <= half_hello.size(); ++size) {
        test::raw_client{server.tls_port}.send(half_hello.substr(0, size)).close();
        test::raw_client{server.tls_port}.send(half_hello.substr(0, size)).reset();
    }
    CHECK(server.is_alive());
}

TEST_CASE("https: a handshake has as much time as a request", "[tls][hostile]") {
    https_server server{{.request_time = 50ms}};
    server.start();
    test::raw_client silent{server.tls_port}, half{server.tls_port};
    half.send(half_hello);
    CHECK(silent.read_to_end().empty());
    CHECK(half.read_to_end().empty());
    auto shaken = server.connect_tls();
    CHECK_FALSE(shaken.handshake());
    CHECK(shaken.read_to_end().empty());
}

TEST_CASE("https: a handshake under way holds nobody up", "[tls][hostile]") {
    https_server server{{.request_time = 0ms}};
    server.start();
    std::vector<test::raw_client> slow;
    for (int i = 0; i < 50; ++i) {
        slow.emplace_back(server.tls_port);
        slow.back().send(half_hello);
    }
    CHECK(server.is_alive());
    CHECK(server.connect().fetch("/hello").body == "hi");
}

TEST_CASE("RFC 8996: versions before TLS 1.2 are refused", "[tls]") {
    https_server server;
    server.start();
    const auto limited_to = [&](int version) {
        return [version](ssl::context& context) {
            SSL_CTX_set_cipher_list(context.native_handle(), "DEFAULT@SECLEVEL=0");
            SSL_CTX_set_min_proto_version(context.native_handle(), version);
            SSL_CTX_set_max_proto_version(context.native_handle(), version);
        };
    };
    CHECK(server.connect_tls(limited_to(TLS1_VERSION)).handshake());
    CHECK(server.connect_tls(limited_to(TLS1_1_VERSION)).handshake());
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto client = server.connect_tls(limited_to(version));
        CHECK(client.fetch("/hello").body == "hi");
        CHECK(SSL_version(client.native()) == version);
    }
}

TEST_CASE("RFC 9325 4.2: with TLS 1.2 there is forward secrecy, or no connection", "[tls]") {
    https_server server;
    server.start();
    const auto only = [](const char* ciphers) {
        return [ciphers](ssl::context& context) {
            SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_2_VERSION);
            SSL_CTX_set_cipher_list(context.native_handle(), ciphers);
        };
    };
    CHECK_FALSE(server.connect_tls(only("ECDHE-ECDSA-AES128-GCM-SHA256")).handshake());
    CHECK(server.connect_tls(only("ECDHE-ECDSA-AES128-SHA256")).handshake());  // CBC
    CHECK(server.connect_tls(only("AES128-GCM-SHA256")).handshake());
}

TEST_CASE("RFC 7301 3.2: http/1.1 is chosen if it is offered, and a client that only speaks others is refused",
          "[tls]") {
    https_server server;
    server.start();
    const auto offering = [](std::string names) {
        return [names](ssl::context& context) {
            SSL_CTX_set_alpn_protos(context.native_handle(), reinterpret_cast<const unsigned char*>(names.data()),
                                    static_cast<unsigned>(names.size()));
        };
    };
    auto both = server.connect_tls(offering("\x02h2\x08http/1.1"));
    CHECK_FALSE(both.handshake());
    CHECK(both.protocol() == "http/1.1");
    auto none = server.connect_tls();
    CHECK_FALSE(none.handshake());
    CHECK(none.protocol().empty());
    CHECK(server.connect_tls(offering("\x02h2\x08http/1.0")).handshake());
    CHECK(server.is_alive());
}

TEST_CASE("RFC 8446 2.2: a session is resumed by its ticket", "[tls]") {
    https_server server;
    server.start();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const auto limited = [version](ssl::context& context) {
            SSL_CTX_set_max_proto_version(context.native_handle(), version);
        };
        auto first = server.connect_tls(limited);
        first.fetch("/hello");  // the ticket has come by then
        SSL_SESSION* const session = SSL_get1_session(first.native());
        auto second = server.connect_tls(limited);
        SSL_set_session(second.native(), session);
        SSL_SESSION_free(session);
        CHECK(second.fetch("/hello").body == "hi");
        CHECK(SSL_session_reused(second.native()) == 1);
    }
}

TEST_CASE("RFC 8446 4.6.3: keys are updated when the client asks for it", "[tls]") {
    https_server server;
    server.start();
    auto client = server.connect_tls();
    for (int i = 0; i < 3; ++i) {
        client.fetch("/hello");
        SSL_key_update(client.native(), SSL_KEY_UPDATE_REQUESTED);
    }
    CHECK(client.fetch("/hello").body == "hi");
}

// ---- options ----

TEST_CASE("tls_options: certificate and key come from files as well", "[tls][options]") {
    const test::folder folder;
    folder.write("chain.pem", test::any_certificate().text());
    folder.write("key.pem", test::any_certificate().key());
    https_server server;
    server.start(
        {.certificate_chain_file = folder.path() / "chain.pem", .private_key_file = folder.path() / "key.pem"});
    CHECK(server.is_alive());
}

TEST_CASE("tls_options: a key may have a password, and nobody is asked for it", "[tls][options]") {
    const std::string chain = test::any_certificate().text(), key = test::any_certificate().key("open sesame");
    weir::server app;
    CHECK_NOTHROW(
        app.listen({.port = 0,
                    .tls = weir::tls_options{
                        .certificate_chain = chain, .private_key = key, .private_key_password = "open sesame"}}));
    for (const char* wrong : {"", "sesame"}) {
        const weir::tls_options options{.certificate_chain = chain, .private_key = key, .private_key_password = wrong};
        CHECK_THROWS_AS(app.listen({.port = 0, .tls = options}), weir::system_error);
    }
}

TEST_CASE("tls_options: what cannot be served with is refused, and said which", "[tls][options]") {
    weir::server app;
    const auto failure_of = [&](weir::tls_options options) -> std::string {
        try {
            app.listen({.port = 0, .tls = options});
        } catch (const weir::system_error& e) {
            return e.what();
        }
        return {};
    };
    const std::string chain = test::any_certificate().text(), key = test::any_certificate().key();
    CHECK(failure_of({.certificate_chain = chain, .private_key = key}).empty());
    CHECK(failure_of({.certificate_chain_file = "/nowhere.pem", .private_key = key}).find("/nowhere.pem") !=
          std::string::npos);
    CHECK(failure_of({.certificate_chain = chain, .private_key_file = "/nowhere.pem"}).find("/nowhere.pem") !=
          std::string::npos);
    CHECK(failure_of({.certificate_chain = "no PEM", .private_key = key}).find("certificate_chain") !=
          std::string::npos);
    CHECK(failure_of({.certificate_chain = chain, .private_key = chain}).find("private_key") != std::string::npos);
    CHECK(failure_of({}).find("certificate and private key") != std::string::npos);
    CHECK(failure_of({.certificate_chain = chain}).find("certificate and private key") != std::string::npos);
    CHECK_FALSE(failure_of({.certificate_chain = chain, .private_key = test::certificate{}.key()}).empty());
}

TEST_CASE("tls_options: the rest is Asio's and OpenSSL's", "[tls][options]") {
    https_server server;
    auto options = self_signed();
    SECTION("client certificates") {
        options.configure = [](ssl::context& context) {
            context.add_certificate_authority(net::buffer(test::any_certificate().text()));
            context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
        };
        server.start(options);
        const auto known = [](ssl::context& context) {
            context.use_certificate_chain(net::buffer(test::any_certificate().text()));
            context.use_private_key(net::buffer(test::any_certificate().key()), ssl::context::pem);
        };
        CHECK(server.connect_tls(known).fetch("/hello").body == "hi");
        auto stranger = server.connect_tls();
        if (!stranger.handshake()) CHECK(stranger.read_to_end().empty());  // TLS 1.3 tells it later
        CHECK(stranger.end() != net::error::eof);
    }
    SECTION("another version only") {
        options.configure = [](ssl::context& context) {
            SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_3_VERSION);
        };
        server.start(options);
        CHECK(server.is_alive());
        const auto old = [](ssl::context& context) {
            SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_2_VERSION);
        };
        CHECK(server.connect_tls(old).handshake());
    }
    SECTION("the certificate itself") {
        server.start({.configure = [](ssl::context& context) {
            context.use_certificate_chain(net::buffer(test::any_certificate().text()));
            context.use_private_key(net::buffer(test::any_certificate().key()), ssl::context::pem);
        }});
        CHECK(server.is_alive());
    }
    SECTION("what it throws") {
        options.configure = [](ssl::context&) { throw std::runtime_error("mine"); };
        CHECK_THROWS_AS(server.start(options), std::runtime_error);
    }
}
