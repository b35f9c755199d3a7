// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// Several event loops at once. Meant for the thread sanitizer, too.

#include "catch.hpp"

#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/raw_websocket.hpp"
#include "support/running_server.hpp"

using namespace std::chrono_literals;
using test::running_server;
using weir::awaitable;
using weir::request;
using weir::response;
using weir::sse_session;
using weir::ws_session;

namespace {

constexpr std::size_t loops = 4;

// The same, in as many threads.
template <class Work>
void at_once(std::size_t threads, Work work) {
    std::vector<std::future<void>> all;
    for (std::size_t i = 0; i < threads; ++i) all.push_back(std::async(std::launch::async, [work, i] { work(i); }));
    for (auto& one : all) test::value_of(std::move(one));
}

}  // namespace

TEST_CASE("threads: connections are spread over the loops, and stay on theirs", "[server][threads]") {
    running_server server{{.threads = loops}};
    std::mutex mutex;
    std::set<std::thread::id> used;
    std::atomic<int> strays{0};
    server->sse("/x", [&](sse_session out) -> awaitable<void> {
        const auto mine = std::this_thread::get_id();
        {
            const std::lock_guard lock{mutex};
            used.insert(mine);
        }
        for (int i = 0; i < 5; ++i) {
            co_await out.async_sleep(1ms);
            co_await out.async_send({.data = "x"});
            if (std::this_thread::get_id() != mine) ++strays;
        }
        co_await out.async_drained();
    });
    server.start();
    std::vector<test::raw_client> clients;
    for (std::size_t i = 0; i < 4 * loops; ++i) {
        clients.push_back(server.connect());
        clients.back().get("/x");
    }
    for (auto& client : clients) {
        client.read_until("\r\n\r\n");
        CHECK(client.read_to_end().ends_with("\r\n0\r\n\r\n"));
    }
    CHECK(used.size() == loops);
    CHECK(strays == 0);
}

TEST_CASE("threads: plain requests, streams, and clients that leave, all at once", "[server][threads]") {
    running_server server{{.threads = loops}};
    std::atomic<int> ended{0};
    server->get("/hello/{n}", [](const request& r) { return response{.body = std::string{r.param("n")}}; });
    server->get("/later/{n}", [](request r) -> awaitable<response> {
        co_await weir::net::post(weir::net::use_awaitable);
        co_return response{.body = std::string{r.param("n")}};
    });
    server->sse("/short", [](sse_session out, const request& r) { out.send({.data = r.target()}); });
    server->sse("/long", [&](sse_session out) -> awaitable<void> {
        out.send({.data = "here"});
        co_await out.async_closed();
        ++ended;
    });
    server.start();
    constexpr int rounds = 30;
    at_once(4, [&](std::size_t worker) {
        for (int i = 0; i < rounds; ++i) {
            const std::string n = std::to_string(worker) + '-' + std::to_string(i);
            auto plain = server.connect();
            if (plain.fetch("/hello/" + n).body != n) throw std::runtime_error("another's answer");
            if (plain.fetch("/later/" + n).body != n) throw std::runtime_error("another's answer");
            auto brief = server.connect();
            brief.get("/short?" + n).read_until("data: /short?" + n + "\n\n");
            auto stream = server.connect();
            stream.get("/long").read_until("data: here\n\n");
            i % 2 == 0 ? stream.close() : stream.reset();
        }
    });
    server->drain({.over = 0ms, .deadline = 600s});
    server.join();
    CHECK(ended == 4 * rounds);
    CHECK(server->connections() == 0);
}

TEST_CASE("threads: messages from elsewhere, by way of the session's executor", "[server][threads]") {
    running_server server{{.threads = loops}};
    std::mutex mutex;
    std::vector<std::shared_ptr<sse_session>> sessions;
    server->sse("/x", [&](sse_session out) {
        const std::lock_guard lock{mutex};
        sessions.push_back(std::make_shared<sse_session>(std::move(out)));
    });
    server.start();
    std::vector<test::raw_client> clients;
    for (std::size_t i = 0; i < 2 * loops; ++i) {
        clients.push_back(server.connect());
        clients.back().get("/x").read_until("\r\n\r\n3\r\n:\n\n\r\n");
    }
    at_once(4, [&](std::size_t) {
        for (int i = 0; i < 25; ++i) {
            const std::lock_guard lock{mutex};
            for (const auto& session : sessions) {
                weir::net::post(session->get_executor(), [session] { session->send({.data = "x"}); });
            }
        }
    });
    for (auto& client : clients) {
        for (int i = 0; i < 100; ++i) client.read_until("data: x\n\n");
    }
    // Each is destroyed on its own loop.
    for (auto& session : sessions) {
        const auto executor = session->get_executor();
        weir::net::post(executor, [mine = std::move(session)] {});
    }
    for (auto& client : clients) CHECK(client.read_to_end() == "\r\n0\r\n\r\n");
}

TEST_CASE("threads: drained by one thread, stopped by another, while clients come and go", "[server][threads]") {
    for (int round = 0; round < 10; ++round) {
        running_server server{{.threads = loops}};
        server->get("/", [](const request&) { return response{.body = "hi"}; });
        server->sse("/x", [](sse_session out) -> awaitable<void> {
            for (;;) {
                co_await out.async_send({.data = "x"});
                co_await out.async_sleep(1ms);
            }
        });
        server.start();
        auto stream = server.connect();
        stream.get("/x").read_until("data: x\n\n");
        auto visitors = std::async(std::launch::async, [&] {
            try {
                for (;;) {
                    auto client = server.connect();
                    client.fetch("/");
                    client.get("/x").read_until("data: x\n\n");
                }
            } catch (const std::exception&) {
                // the server is gone
            }
        });
        stream.read_until("data: x\n\n");
        server->drain({.over = 1ms, .deadline = 600s});
        stream.read_until("retry: ");
        if (round % 2 == 0) {
            server->stop();
        } else {
            stream.read_to_end();
            stream.close();
        }
        server.join();
        server.destroy();
        test::value_of(std::move(visitors));
    }
}

TEST_CASE("threads: destroyed with streams on every loop", "[server][threads]") {
    for (int round = 0; round < 5; ++round) {
        running_server server{{.threads = loops}};
        server->sse("/x", [](sse_session out) -> awaitable<void> {
            for (const std::string data(1'000, 'x');;) {
                co_await out.async_send({.data = data});
                co_await out.async_sleep(1ms);
            }
        });
        server.start();
        std::vector<test::raw_client> clients;
        for (std::size_t i = 0; i < 2 * loops; ++i) {
            clients.push_back(server.connect());
            clients.back().get("/x").read_until("data: x");
        }
        server.destroy();
        for (auto& client : clients) CHECK_NOTHROW(client.read_to_end());
    }
}

TEST_CASE("threads: WebSockets on every loop, echoed, drained and cut", "[server][ws][threads]") {
    for (int round = 0; round < 5; ++round) {
        running_server server{{.threads = loops}};
        server->ws("/coroutine", [](ws_session ws) -> awaitable<void> {
            while (auto message = co_await ws.async_receive()) co_await ws.async_send(*message);
        });
        server->ws("/call", [](ws_session ws) {
            auto self = std::make_shared<ws_session>(std::move(ws));
            self->on_message([self](weir::ws_message m) { self->send(m); });
        });
        server.start();
        at_once(4, [&](std::size_t worker) {
            for (int i = 0; i < 10; ++i) {
                test::raw_websocket client{server, i % 2 == 0 ? "/coroutine" : "/call"};
                const std::string text = std::to_string(worker) + '-' + std::to_string(i);
                client.send_text(text);
                if (client.read() != test::text(text)) throw std::runtime_error("another's answer");
                if (i % 3 == 0) client.bytes().reset();
                if (i % 3 == 1) client.close().read_close();
            }
        });
        std::vector<test::raw_websocket> left;
        for (std::size_t i = 0; i < 2 * loops; ++i) left.emplace_back(server, "/call");
        if (round % 2 == 0) server->drain({.over = 0ms, .deadline = 50ms});
        if (round % 2 == 1) server->stop();
        server.join();
        server.destroy();
    }
}
