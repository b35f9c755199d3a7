// SPDX-License-Identifier: BSL-1.0
#include <weir/io/client_connection.hpp>

#include "catch.hpp"

#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/black_hole.hpp"
#include "support/scripted_layer.hpp"
#include "support/virtual_context.hpp"

namespace {

using namespace std::chrono_literals;
using weir::error;
using weir::error_code;
using weir::detail::cancellable_run;
using weir::detail::client_stream;
using weir::detail::connection_options;
namespace http = weir::http;
namespace net = weir::net;
using net::ip::tcp;

/// Layers that do what the test says; the last one made is kept in sight.
struct scripted_layers final : weir::detail::client_layer_factory {
    std::function<void(test::scripted_layer<tcp::socket>&)> prepare = [](auto&) {};
    mutable std::vector<std::string> hosts;

    std::unique_ptr<weir::detail::client_layer> make(const std::string& host) const override {
        hosts.push_back(host);
        auto layer = std::make_unique<test::scripted_layer<tcp::socket>>();
        prepare(*layer);
        return layer;
    }
};

std::string url_of(const std::string& scheme, const tcp::endpoint& at) {
    return scheme + "://127.0.0.1:" + std::to_string(at.port());
}

/// A client that connects, and a proxy or server, on one clock.
struct fixture {
    test::virtual_context context;
    tcp::acceptor listener{context.context(), {net::ip::address_v4::loopback(), 0}};
    std::optional<tcp::socket> accepted;
    std::string requested;  // of the proxy
    std::vector<std::string> answers;
    bool hang_up = false;

    std::shared_ptr<scripted_layers> layers = std::make_shared<scripted_layers>();
    connection_options options;
    http::url url;
    client_stream stream{context.context().get_executor()};
    cancellable_run attempt;
    std::optional<error_code> outcome;

    fixture() { options.tls = layers; }

    // Takes one connection, and plays the proxy if there are answers.
    net::awaitable<void> serve() {
        error_code ec;
        auto token = net::redirect_error(net::use_awaitable, ec);
        accepted.emplace(context.context());
        co_await listener.async_accept(*accepted, token);
        while (!ec && !answers.empty() && !requested.ends_with("\r\n\r\n")) {
            ec = co_await weir::detail::read_more(*accepted, requested);
        }
        for (const std::string& answer : answers) co_await net::async_write(*accepted, net::buffer(answer), token);
        if (hang_up) accepted.reset();
    }

    void use_proxy(std::vector<std::string> what_it_says) {
        answers = std::move(what_it_says);
        options.proxy = {.url = url_of("http", listener.local_endpoint()),
                         .fields = {{"Proxy-Authorization", "Basic eDp5"}}};
    }
    void start(const std::string& to, weir::milliseconds limit = 0ms) {
        net::co_spawn(context.context(), serve(), net::detached);
        connect(to, limit);
    }
    template <class Handler>
    void connect(const std::string& to, weir::milliseconds limit, Handler handler) {
        url = *http::parse_url(to);
        const auto work = [this](weir::detail::interruption stop) {
            return weir::detail::connect_to(stream, url, options, stop);
        };
        attempt.async_run(stream.get_executor(), work, limit, error::connect_timed_out, std::move(handler));
    }
    void connect(const std::string& to, weir::milliseconds limit = 0ms) {
        connect(to, limit, [this](error_code ec) { outcome = ec; });
    }
    error_code result() {
        context.context().restart();
        while (!outcome) context.context().run_one();
        return *outcome;
    }
    /// Until the handshake waits, or whatever else the test has in mind.
    void run_until(const std::function<bool()>& reached) {
        context.context().restart();
        while (!reached()) context.context().run_one();
        context.settle();
    }
    std::string server() const { return url_of("http", listener.local_endpoint()) + "/path"; }
    std::string secure_server() const { return url_of("https", listener.local_endpoint()) + "/path"; }
};

const std::string established = "HTTP/1.1 200 Connection established\r\n\r\n";

}  // namespace

// ---- directly ----

TEST_CASE_METHOD(fixture, "connect: a stream is connected and ready, by address and by name", "[io][connect]") {
    const std::string port = std::to_string(listener.local_endpoint().port());
    const std::string host = GENERATE(as<std::string>{}, "127.0.0.1", "localhost");
    start(GENERATE(as<std::string>{}, "http", "ws") + "://" + host + ':' + port + "/");
    CHECK_FALSE(outcome);
    CHECK_FALSE(result());
    CHECK(stream.remote_endpoint() == listener.local_endpoint());
    CHECK_FALSE(stream.is_secure());
    CHECK(stream.lowest_layer().non_blocking());
    tcp::no_delay no_delay;
    stream.get_option(no_delay);
    CHECK(no_delay.value());
    CHECK(layers->hosts.empty());
}

TEST_CASE_METHOD(fixture, "connect: https and wss without TLS are refused before anything is tried", "[io][connect]") {
    options.tls = nullptr;
    connect(GENERATE(as<std::string>{}, "https", "wss") + "://127.0.0.1:1/");
    CHECK(result() == error::no_tls);
    CHECK_FALSE(stream.lowest_layer().is_open());
}

TEST_CASE_METHOD(fixture, "connect: a secure URL gets a layer for its host, opened before the first byte",
                 "[io][connect]") {
    bool* opened = nullptr;
    layers->prepare = [&](auto& layer) { opened = &layer.opened; };
    start(GENERATE(as<std::string>{}, "https", "wss") +
          "://127.0.0.1:" + std::to_string(listener.local_endpoint().port()) + "/");
    CHECK_FALSE(result());
    CHECK(stream.is_secure());
    CHECK(layers->hosts == std::vector<std::string>{"127.0.0.1"});
    REQUIRE(opened != nullptr);
    CHECK(*opened);
}

TEST_CASE_METHOD(fixture, "connect: what fails tells why", "[io][connect]") {
    SECTION("nobody listens") {
        const std::string to = server();
        listener.close();
        connect(to);
        CHECK(result() == net::error::connection_refused);
    }
    SECTION("no such name") {
        connect("http://nobody.invalid/");
        CHECK(result());
    }
    SECTION("the layer does not like the server") {
        layers->prepare = [](auto& layer) { layer.failure = error::untrusted_server; };
        start(secure_server());
        CHECK(result() == error::untrusted_server);
    }
    SECTION("there can be no layer for it") {
        layers->prepare = [](auto&) { throw weir::system_error{make_error_code(error::bad_argument)}; };
        start(secure_server());
        CHECK(result() == error::bad_argument);
    }
}

// ---- through a proxy ----

TEST_CASE_METHOD(fixture, "RFC 9110 9.3.6: a proxy opens a tunnel to the URL's host and port", "[io][connect][proxy]") {
    use_proxy({established});
    SECTION("http") {
        start("http://example.com/path");
        CHECK_FALSE(result());
        CHECK(requested.starts_with("CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n"));
        CHECK(layers->hosts.empty());
    }
    SECTION("https") {
        start("https://example.com/path");
        CHECK_FALSE(result());
        CHECK(requested.starts_with("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n"));
        CHECK(layers->hosts == std::vector<std::string>{"example.com"});  // not the proxy's
    }
    CHECK(requested.find("\r\nProxy-Authorization: Basic eDp5\r\n") != std::string::npos);
    CHECK(requested.find("/path") == std::string::npos);
    CHECK(stream.remote_endpoint() == listener.local_endpoint());
}

TEST_CASE_METHOD(fixture, "RFC 9110 15.2: a proxy may say something before its answer, and say it in pieces",
                 "[io][connect][proxy]") {
    use_proxy({"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 10", "2 Processing\r\n\r\nHTTP/1.0 200 ",
               "Yes\r\nContent-Length: 5\r\n", "\r\n"});
    start("https://example.com/");
    CHECK_FALSE(result());
}

TEST_CASE_METHOD(fixture, "connect: a proxy that does not open the tunnel ends the attempt", "[io][connect][proxy]") {
    const auto check = [&](std::string answer, error_code expected, bool then_hang_up = false) {
        use_proxy({std::move(answer)});
        hang_up = then_hang_up;
        start("https://example.com/");
        CHECK(result() == expected);
        CHECK(layers->hosts.empty());
    };
    SECTION("it wants to know who asks") {
        check("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno", error::proxy_refused);
    }
    SECTION("it cannot") { check("HTTP/1.1 502 Bad Gateway\r\n\r\n", error::proxy_refused); }
    SECTION("it sends elsewhere") { check("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", error::proxy_refused); }
    SECTION("it speaks for the server") { check(established + "x", error::proxy_refused); }
    SECTION("it speaks no HTTP") { check("SSH-2.0-x\r\n", error::bad_status_line); }
    SECTION("it hangs up") { check("HTTP/1.1 200 ", net::error::eof, true); }
    SECTION("it never comes to the end of its head") {
        check("HTTP/1.1 200 " + std::string(100'000, 'x'), error::head_too_large);
    }
}

TEST_CASE_METHOD(fixture, "connect: a proxy that cannot be used is refused before anything is tried",
                 "[io][connect][proxy]") {
    use_proxy({established});
    SECTION("no URL") { options.proxy->url = "proxy:3128"; }
    SECTION("TLS to the proxy") { options.proxy->url = "https://proxy.example:3128"; }
    SECTION("another protocol") { options.proxy->url = "socks5://proxy.example:1080"; }
    connect("http://example.com/");
    CHECK(result() == error::bad_argument);
    CHECK_FALSE(stream.lowest_layer().is_open());
}

TEST_CASE_METHOD(fixture, "connect: fields that cannot be sent to a proxy are not sent", "[io][connect][proxy]") {
    use_proxy({established});
    options.proxy->fields = {{"Proxy-Authorization", "a\r\nEvil: b"}};
    start("http://example.com/");
    CHECK(result() == error::bad_argument);
    CHECK(requested.find("CONNECT") == std::string::npos);
}

// ---- time, cancellation, the end of everything ----

TEST_CASE_METHOD(fixture, "connect: the time limit covers whatever does not answer", "[io][connect]") {
    std::optional<test::black_hole> hole;
    SECTION("the server") {
        hole.emplace(context.context());
        connect(url_of("http", hole->endpoint()), 10s);
    }
    SECTION("the proxy, when asked") {
        use_proxy({"HTTP/1.1 "});
        start("http://example.com/", 10s);
        run_until([&] { return !requested.empty(); });
    }
    SECTION("the server, when greeted") {
        layers->prepare = [](auto& layer) {
            layer.blocked = true;
            layer.until = tcp::socket::wait_read;
        };
        start(secure_server(), 10s);
        run_until([&] { return !layers->hosts.empty(); });
    }
    context.pass(9900ms);
    CHECK_FALSE(outcome);
    context.pass(200ms);
    CHECK(outcome == make_error_code(error::connect_timed_out));
}

namespace {

/// An attempt that goes through everything: a name, a proxy, a layer that has to wait.
void start_long_way(fixture& f) {
    f.use_proxy({"HTTP/1.1 100 Continue\r\n\r\n", established});
    const std::string port = std::to_string(f.listener.local_endpoint().port());
    f.options.proxy->url = "http://localhost:" + port;
    net::co_spawn(f.context.context(), f.serve(), net::detached);
}

/// How many handlers run until it is connected.
int steps_of_long_way() {
    fixture f;
    start_long_way(f);
    f.connect("https://example.com/");
    int steps = 0;
    while (!f.outcome) {
        f.context.context().restart();
        f.context.context().run_one();
        ++steps;
    }
    CHECK_FALSE(*f.outcome);
    return steps;
}

}  // namespace

TEST_CASE("connect: it can be cancelled at every step, and comes to its end at once", "[io][connect]") {
    const int all = steps_of_long_way();
    CHECK(all > 8);
    for (int step = 0; step < all; ++step) {
        fixture f;
        start_long_way(f);
        f.connect("https://example.com/");
        for (int i = 0; i < step && f.attempt.is_running(); ++i) {
            f.context.context().restart();
            f.context.context().run_one();
        }
        if (!f.attempt.is_running()) break;  // how many steps it takes is the system's business, too
        f.attempt.cancel();
        CHECK_FALSE(f.outcome);
        f.context.settle();
        INFO(step);
        REQUIRE(f.outcome);
        CHECK(*f.outcome == net::error::operation_aborted);
    }
}

TEST_CASE("connect: it goes with its context, uncalled, at every step", "[io][connect]") {
    const int all = steps_of_long_way();
    for (int step = 0; step < all; ++step) {
        auto life = std::make_shared<int>();
        const std::weak_ptr<int> watch = life;
        bool called = false;
        {
            fixture f;
            start_long_way(f);
            f.connect("https://example.com/", 10s, [&called, life = std::move(life)](error_code) { called = true; });
            for (int i = 0; i < step && !called; ++i) {
                f.context.context().restart();
                f.context.context().run_one();
            }
        }
        INFO(step);
        CHECK(watch.expired());
    }
}
