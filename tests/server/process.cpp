// SPDX-License-Identifier: BSL-1.0
#include <weir/server.hpp>

// What concerns a whole process: signals, and the limit of descriptors. Each test has a server in a child process.

#include "catch.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/raw_client.hpp"

using namespace std::chrono_literals;
using weir::awaitable;
using weir::request;
using weir::response;
using weir::sse_session;

namespace {

// Forked while the test has one thread only.
class child_process {
public:
    /// `run` makes a server, calls what it is given with the port, and runs it. Exit status 0: it returned.
    explicit child_process(const std::function<void(const std::function<void(std::uint16_t)>&)>& run) {
        std::array<int, 2> pipe{};
        if (::pipe(pipe.data()) != 0) throw std::runtime_error("no pipe");
        id_ = ::fork();
        if (id_ < 0) throw std::runtime_error("no child process");
        if (id_ == 0) {
            ::close(pipe[0]);
            ::_exit(in_child(run, pipe[1]));
        }
        ::close(pipe[1]);
        const bool told = ::read(pipe[0], &port_, sizeof port_) == sizeof port_;
        ::close(pipe[0]);
        if (!told) throw std::runtime_error("the child process has no port");
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process() {
        if (id_ == 0) return;
        ::kill(id_, SIGKILL);
        ::waitpid(id_, nullptr, 0);
    }

    std::uint16_t port() const noexcept { return port_; }
    void signal(int number) const { ::kill(id_, number); }

    /// The exit status, once it has ended; of one that was killed, the signal's number, negative. Its own watchdog ends
    /// a child that hangs.
    int exit_status() {
        int status = 0;
        ::waitpid(std::exchange(id_, 0), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

private:
    static int in_child(const std::function<void(const std::function<void(std::uint16_t)>&)>& run, int to_parent) try {
        for (const int number : {SIGINT, SIGTERM, SIGSEGV, SIGABRT}) ::signal(number, SIG_DFL);  // Catch2 has its own
        ::alarm(60);
        run([&](std::uint16_t port) {
            if (::write(to_parent, &port, sizeof port) != sizeof port) throw std::runtime_error("no parent");
        });
        return 0;
    } catch (...) {
        return 1;
    }

    ::pid_t id_ = 0;
    std::uint16_t port_ = 0;
};

void add_routes(weir::server& app) {
    app.get("/", [](const request&) { return response{.body = "hi"}; });
    app.get("/count", [&app](const request&) { return response{.body = std::to_string(app.connections())}; });
    app.sse("/x", [](sse_session out) -> awaitable<void> { co_await out.async_closed(); });
}

const auto serve = [](const std::function<void(std::uint16_t)>& listening) {
    weir::server app{{.threads = 2, .drain = {.over = 1'000ms, .deadline = 600s}}};
    add_routes(app);
    const auto port = app.listen({.port = 0});
    // run() installs the handlers first thing, so that who is answered may send signals.
    listening(port);
    app.run();
};

}  // namespace

TEST_CASE("process: SIGTERM and SIGINT drain, and the process ends as usual", "[server][process]") {
    for (const int number : {SIGTERM, SIGINT}) {
        child_process child{serve};
        test::raw_client stream{child.port()};
        stream.get("/x").read_until("\r\n\r\n3\r\n:\n\n\r\n");
        test::raw_client idle{child.port()};
        CHECK(idle.fetch("/").body == "hi");
        child.signal(number);
        stream.read_until("retry: ");
        CHECK(stream.read_to_end().ends_with("\n\n\r\n0\r\n\r\n"));
        CHECK(idle.read_to_end().empty());
        stream.close();
        idle.close();
        CHECK(child.exit_status() == 0);
    }
}

TEST_CASE("process: a second signal stops at once", "[server][process]") {
    child_process child{serve};
    test::raw_client stream{child.port()};
    stream.get("/x").read_until("\r\n\r\n3\r\n:\n\n\r\n");
    test::raw_client other{child.port()};
    other.send("GET / HTTP/1.1\r\n");  // keeps the drain from its end, and this test knows that it was read
    child.signal(SIGTERM);
    stream.read_until("retry: ");
    child.signal(SIGTERM);
    CHECK(child.exit_status() == 0);
}

TEST_CASE("process: a server that leaves signals alone is ended by them", "[server][process]") {
    child_process child{[](const std::function<void(std::uint16_t)>& listening) {
        weir::server app{{.handle_signals = false}};
        add_routes(app);
        listening(app.listen({.port = 0}));
        app.run();
    }};
    CHECK(test::raw_client{child.port()}.fetch("/").body == "hi");
    child.signal(SIGTERM);
    CHECK(child.exit_status() == -SIGTERM);
}

TEST_CASE("process: signals are the application's again once run has returned", "[server][process]") {
    child_process child{[](const std::function<void(std::uint16_t)>& listening) {
        weir::server app;
        add_routes(app);
        listening(app.listen({.port = 0}));
        app.run();
        ::raise(SIGTERM);
    }};
    test::raw_client idle{child.port()};
    CHECK(idle.fetch("/").body == "hi");
    child.signal(SIGTERM);
    CHECK(idle.read_to_end().empty());
    idle.close();
    CHECK(child.exit_status() == -SIGTERM);
}

TEST_CASE("process: out of descriptors, the rest wait until some are given back", "[server][process]") {
    constexpr std::size_t places = 4;
    child_process child{[](const std::function<void(std::uint16_t)>& listening) {
        weir::server app{{.threads = 2}};
        add_routes(app);
        const auto port = app.listen({.port = 0});
        // As many as there are now, what run() makes for itself, and these places: found by looking, not by counting.
        weir::net::post(app.context(), [&listening, port] {
            const int next = ::fcntl(0, F_DUPFD, 0);
            ::close(next);
            ::rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = static_cast<::rlim_t>(next) + places;
            if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) listening(port);
        });
        app.run();
    }};
    std::vector<test::raw_client> clients;
    for (std::size_t i = 0; i < 2 * places; ++i) {
        clients.emplace_back(child.port());
        clients.back().get("/");
    }
    for (std::size_t i = 0; i < places; ++i) CHECK(clients[i].read_answer().body == "hi");
    CHECK(clients[0].fetch("/count").body == std::to_string(places));
    CHECK(clients[0].fetch("/count").body == std::to_string(places));
    for (std::size_t i = 0; i < places; ++i) clients[i].close();
    for (std::size_t i = places; i < 2 * places; ++i) CHECK(clients[i].read_answer().body == "hi");
    for (auto& client : clients) client.close();
    child.signal(SIGTERM);
    CHECK(child.exit_status() == 0);
}
