// SPDX-License-Identifier: BSL-1.0

// weir in a server that is an epoll loop, without any library: it reads the requests' heads, and a connection that is
// to stay gets a machine, which decides what it does from there on. Run it, then: curl -N http://127.0.0.1:8080/events

#include <weir/http/request_parser.hpp>
#include <weir/http/response.hpp>
#include <weir/sans_io.hpp>

#include "ticks.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <memory>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

// One connection: its socket, its request while that is read, and when it wants to be looked at again.
class connection {
public:
    connection(int poll, int socket) : poll_(poll), socket_(socket) { watch(true, false, weir::never); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() { ::close(socket_); }

    weir::time_point deadline() const { return deadline_; }
    bool closed() const { return closed_; }

    void on_ready(weir::time_point now);

    // ---- what weir::perform() asks for ----

    std::size_t read_some(weir::mutable_bytes_view buffer, weir::error_code& ec) {
        return result_of(::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT), ec);
    }
    std::size_t write_some(weir::bytes_view bytes, weir::error_code& ec) {
        return result_of(::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL), ec);
    }
    void shut_down_sending() { ::shutdown(socket_, SHUT_WR); }
    void watch(bool reading, bool writing, weir::time_point deadline) {
        deadline_ = deadline;
        const std::uint32_t wanted = (reading ? EPOLLIN : 0u) | (writing ? EPOLLOUT : 0u);
        if (wanted == watched_) return;
        // Without interest it is taken out: a hang-up is reported whatever the interest, and again and again.
        const int change = watched_ == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
        epoll_event event{.events = wanted, .data = {.ptr = this}};
        if (::epoll_ctl(poll_, change, socket_, &event) != 0) return close();
        watched_ = wanted;
    }
    void close() { closed_ = true; }

    // ---- weir from here
    std::unique_ptr<weir::machine> live;
    // ---- to here

private:
    static std::size_t result_of(ssize_t n, weir::error_code& ec) {
        ec = n < 0 ? weir::error_code{errno, std::generic_category()} : weir::error_code{};
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }
    void read_request();
    void respond(int status);

    int poll_, socket_;
    std::uint32_t watched_ = 0;
    weir::time_point deadline_ = weir::never;
    bool closed_ = false;
    std::string received_;
    weir::http::request_parser parser_;
};

// ---- weir from here

void events(connection& c, const weir::request_view& request, std::string_view received) {
    auto& out = weir::take_over<weir::sse_machine>(c.live, request, received, weir::clock::now());
    out.ask([&out, tick = ticks{request.target, out.last_event_id()}](weir::time_point now) mutable {
        if (!tick.advance()) return out.close(now), weir::never;
        out.send({.event = "tick", .id = tick.id(), .data = tick.text()}, now);
        return tick.fast() ? now : now + 200ms;
    });
}

void echo(connection& c, const weir::request_view& request, std::string_view received) {
    auto& ws = weir::take_over<weir::ws_machine>(c.live, request, received, weir::clock::now(), weir::close_slow{});
    ws.on_message([&ws](weir::ws_message message) { ws.send(message, ws.now()); });
}

// ---- to here; the rest is the server that was there before, but for the two lines between these marks.

struct route {
    std::string_view path;
    void (*handler)(connection&, const weir::request_view&, std::string_view received);
};
// ---- weir from here
constexpr route routes[] = {{"/events", events}, {"/echo", echo}};
// ---- to here

void connection::on_ready(weir::time_point now) {
    if (!live) read_request();
    // ---- weir from here
    if (live) weir::perform(*live, *this, now);
    // ---- to here
}

void connection::respond(int status) {
    weir::error_code ignored;
    write_some(weir::as_bytes(weir::http::error_response(status)), ignored);
    close();
}

void connection::read_request() {
    using status = weir::http::request_parser::status;
    std::array<std::byte, 4096> buffer;
    weir::error_code ec;
    const std::size_t n = read_some(weir::mutable_bytes_view{buffer}, ec);
    if (n == 0) return ec == std::errc::operation_would_block ? void() : close();
    received_.append(weir::as_text({buffer.data(), n}));
    const status parsed = parser_.parse(received_);
    if (parsed == status::need_more) return;
    if (parsed == status::failed) return respond(http_status_for(parser_.error()));
    const auto path = parser_.request().path();
    const auto found =
        std::find_if(std::begin(routes), std::end(routes), [&](const route& r) { return r.path == path; });
    if (found == std::end(routes)) return respond(404);
    found->handler(*this, parser_.request(), std::string_view{received_}.substr(parser_.head_size()));
}

// ---- the loop ----

class server {
public:
    explicit server(std::uint16_t wanted) {
        const sockaddr_in address{
            .sin_family = AF_INET, .sin_port = htons(wanted), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            std::exit(EXIT_FAILURE);
        ::listen(listener_, SOMAXCONN);
        sigset_t ends;
        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigprocmask(SIG_BLOCK, &ends, nullptr);
        signals_ = ::signalfd(-1, &ends, 0);
        for (int* const own : {&listener_, &signals_}) {
            epoll_event event{.events = EPOLLIN, .data = {.ptr = own}};
            ::epoll_ctl(poll_, EPOLL_CTL_ADD, *own, &event);
        }
    }

    unsigned port() const {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        return ntohs(address.sin_port);
    }

    void run() {
        for (;;) {
            std::array<epoll_event, 64> events;
            const int n = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout());
            const weir::time_point now = weir::clock::now();
            for (int i = 0; i < n; ++i) {
                void* const what = events[static_cast<std::size_t>(i)].data.ptr;
                if (what == &signals_) return;
                what == &listener_ ? accept() : static_cast<connection*>(what)->on_ready(now);
            }
            for (connection& c : connections_) {
                if (c.deadline() <= now) c.on_ready(now);
            }
            connections_.remove_if([](const connection& c) { return c.closed(); });
        }
    }

private:
    // Fine for some connections; with many of them the deadlines want a heap.
    int timeout() const {
        weir::time_point next = weir::never;
        for (const connection& c : connections_) next = std::min(next, c.deadline());
        if (next == weir::never) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - weir::clock::now());
        return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
    }
    void accept() {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) return;
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections_.emplace_back(poll_, socket);
    }

    int poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int signals_ = -1;
    std::list<connection> connections_;
};

// epoll [port]; 0: the system chooses.
int main(int argc, char** argv) {
    server server{static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080)};
    std::printf("http://127.0.0.1:%u/events\n", server.port());
    std::fflush(stdout);
    server.run();
}
