// SPDX-License-Identifier: BSL-1.0

// A load client: one thread that polls its sockets and does as little as it can, so that the server is what is
// measured.
//
//   pushload MODE --port P [options]
//
//   ws-echo            every connection keeps --pipeline messages of --size bytes on their way: rate, round trips
//   ws-sub, sse-sub    subscribers of /ws or /sse: deliveries, delay since the stamp that a payload begins with
//   ws-idle, sse-idle  the same, of a server that publishes nothing: memory
//
// Prints one line of key=value, times in microseconds. With --pid, what the server used in the measured window too.
// Linux; server and client on one machine, on a CPU each.

#include <weir/ws/frame.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/measured.hpp"
#include "load/options.hpp"
#include "push_options.hpp"

namespace {

using bench::cpu_time;
using bench::memory_of;
using bench::monotonic_ns;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "pushload: %s (%s)\n", what, std::strerror(errno));
    std::exit(1);
}

struct connection {
    int socket = -1;
    std::string unfinished;     // the beginning of a frame or line
    std::uint64_t to_skip = 0;  // bytes of the frame's payload that are still to come
    std::uint64_t since = 0;    // its stamp
    bool is_message = false;    // and no control frame
    // Echoes: when each of those on their way was sent, a ring.
    std::vector<std::uint64_t> times;
    std::size_t oldest = 0;
    std::uint64_t sent = 0, to_send = 0;  // bytes of an endless row of frames
    bool blocked = false;
};

// When a payload was published; 0: it does not say.
std::uint64_t stamp_of(std::string_view payload) {
    std::uint64_t stamp = 0;
    if (payload.starts_with("t=")) std::from_chars(payload.data() + 2, payload.data() + payload.size(), stamp);
    return stamp;
}

class client {
public:
    explicit client(const bench::load_options& given);
    void run();

private:
    void open(connection& opened, std::string_view request);
    void run_until(std::uint64_t end);
    void on_event(connection& at, std::uint32_t what);
    void on_bytes(connection& at, std::string_view bytes);
    std::size_t take_frame(connection& at, std::string_view bytes);
    std::size_t take_line(std::string_view bytes);
    void on_frame_end(connection& at);
    void on_message(std::uint64_t since);
    void flush(connection& to);
    void watch(connection& at, std::uint32_t what, int how) const;
    void print(const cpu_time& used, double seconds, double memory) const;

    bench::load_options options_;
    int set_ = epoll_create1(0);
    std::vector<connection> connections_;
    std::vector<char> buffer_ = std::vector<char>(1 << 20);
    // To be echoed: one frame more than are on their way, so that those from any byte on are in one piece.
    std::string frames_;
    std::size_t frame_size_ = 0;
    std::uint64_t now_ = 0;  // of the receive that is dealt with

    bool counting_ = false;
    std::uint64_t messages_ = 0, bytes_ = 0;
    bench::histogram delays_;
};

client::client(const bench::load_options& given) : options_{given}, connections_(given.connections) {
    std::string payload = bench::make_payload(std::max(given.size, bench::stamp_size)).substr(0, given.size);
    using weir::ws::masking_key;
    const weir::ws::frame_encoder frame{.code = weir::ws::opcode::binary,
                                        .payload = weir::as_bytes(payload),
                                        .key = std::bit_cast<masking_key>(0x9e3779b9U)};
    frame_size_ = frame.size();
    frames_.resize((given.pipeline + 1) * frame_size_);
    for (std::size_t i = 0; i <= given.pipeline; ++i) frame.write(frames_.data() + i * frame_size_);
}

// Opens all, one after the other, puts load on them for a while, measures for a while, and resets them.
void client::run() {
    const std::string path = options_.is_echo() ? "/echo" : options_.is_websocket() ? "/ws" : "/sse";
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" +
                                (options_.is_websocket() ? "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                                           "Sec-WebSocket-Version: 13\r\n\r\n"
                                                         : "Accept: text/event-stream\r\n\r\n");
    // The first ones warm up pools and tables, which are not a connection's.
    const std::size_t first = std::min<std::size_t>(100, options_.connections / 2);
    double memory = 0;
    for (std::size_t i = 0; i != options_.connections; ++i) {
        if (i == first) memory = memory_of(options_.process);
        open(connections_[i], request);
    }
    if (options_.is_echo()) {
        for (connection& each : connections_) {
            each.times.assign(options_.pipeline, monotonic_ns());
            each.to_send = options_.pipeline * frame_size_;
            flush(each);
        }
    }
    run_until(monotonic_ns() + static_cast<std::uint64_t>(options_.warmup * 1e9));
    memory = (memory_of(options_.process) - memory) / static_cast<double>(options_.connections - first);

    counting_ = true;
    const cpu_time before = cpu_time::of(options_.process);
    const std::uint64_t begin = monotonic_ns();
    run_until(begin + static_cast<std::uint64_t>(options_.seconds * 1e9));
    const cpu_time after = cpu_time::of(options_.process);
    const std::uint64_t end = monotonic_ns();
    print({after.all - before.all, after.user - before.user}, static_cast<double>(end - begin) / 1e9, memory);

    // Reset rather than closed: nothing is left in TIME_WAIT.
    const linger at_once{1, 0};
    for (const connection& each : connections_) {
        setsockopt(each.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(each.socket);
    }
}

void client::print(const cpu_time& used, double seconds, double memory) const {
    const auto count = static_cast<double>(messages_);
    std::printf("mode=%s connections=%zu seconds=%.3f", options_.mode.data(), options_.connections, seconds);
    if (options_.is_idle()) {
        std::printf(" memory=%.0f cpu_percent=%.2f\n", memory, used.all / seconds / 1e4);
        return;
    }
    std::printf(" messages=%.0f rate=%.0f wire=%.1f", count, count / seconds, static_cast<double>(bytes_) / count);
    if (options_.process != 0) {
        std::printf(" cpu=%.3f user=%.3f busy=%.1f", used.all / count, used.user / count, used.all / seconds / 1e4);
    }
    std::printf(" p50=%.1f p99=%.1f\n", delays_.percentile(50), delays_.percentile(99));
}

void client::open(connection& opened, std::string_view request) {
    opened.socket = socket(AF_INET, SOCK_STREAM, 0);
    if (opened.socket < 0) die("socket");
    const int on = 1;
    setsockopt(opened.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(opened.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
    if (send(opened.socket, request.data(), request.size(), MSG_NOSIGNAL) < 0) die("send");
    std::string head;
    std::size_t end;
    do {
        const auto n = recv(opened.socket, buffer_.data(), 4096, 0);
        if (n <= 0) die("no answer");
        head.append(buffer_.data(), static_cast<std::size_t>(n));
        end = head.find("\r\n\r\n");
    } while (end == std::string::npos);
    if (!head.starts_with(options_.is_websocket() ? "HTTP/1.1 101 " : "HTTP/1.1 200 ")) die("refused");
    on_bytes(opened, std::string_view{head}.substr(end + 4));
    watch(opened, EPOLLIN, EPOLL_CTL_ADD);
}

void client::run_until(std::uint64_t end) {
    std::array<epoll_event, 1024> events;
    for (;;) {
        const int ready = epoll_wait(set_, events.data(), static_cast<int>(events.size()), options_.sleep ? 10 : 0);
        for (int i = 0; i < ready; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            on_event(*static_cast<connection*>(event.data.ptr), event.events);
        }
        if (monotonic_ns() >= end) return;
    }
}

void client::on_event(connection& at, std::uint32_t what) {
    if ((what & EPOLLIN) != 0) {
        const auto n = recv(at.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (n <= 0) die("a connection has ended");
        now_ = monotonic_ns();
        if (counting_) bytes_ += static_cast<std::uint64_t>(n);
        on_bytes(at, {buffer_.data(), static_cast<std::size_t>(n)});
    }
    if (at.to_send != 0) flush(at);
}

void client::on_bytes(connection& at, std::string_view bytes) {
    std::string joined;
    if (!at.unfinished.empty()) {
        joined = std::move(at.unfinished.append(bytes));
        at.unfinished.clear();
        bytes = joined;
    }
    while (!bytes.empty()) {
        const std::size_t taken = options_.is_websocket() ? take_frame(at, bytes) : take_line(bytes);
        if (taken == 0) break;
        bytes.remove_prefix(taken);
    }
    at.unfinished = bytes;
}

// Returns the bytes taken; 0: the header, and a stamp if it has one, have not all come.
std::size_t client::take_frame(connection& at, std::string_view bytes) {
    if (at.to_skip != 0) {
        const std::size_t taken = std::min<std::size_t>(at.to_skip, bytes.size());
        at.to_skip -= taken;
        if (at.to_skip == 0) on_frame_end(at);
        return taken;
    }
    const auto found =
        weir::ws::decode_header(weir::as_bytes(bytes), {.masked = false, .allowed_reserved = weir::ws::reserved_1});
    if (found.error != weir::error::none) die("a malformed frame");
    const std::string_view payload = bytes.substr(found.consumed);
    const std::uint64_t size = found.header.payload_size;
    if (found.consumed == 0 || payload.size() < std::min<std::uint64_t>(size, bench::stamp_size)) return 0;
    if (options_.is_echo() && size != options_.size) die("an echo of another size");
    at.since = stamp_of(payload.substr(0, bench::stamp_size));
    at.is_message = !weir::ws::is_control(found.header.code);
    at.to_skip = size;
    if (size == 0) on_frame_end(at);
    return found.consumed;
}

void client::on_frame_end(connection& at) {
    if (options_.is_echo()) {  // the next one takes its place
        on_message(std::exchange(at.times[at.oldest], now_));
        at.oldest = (at.oldest + 1) % at.times.size();
        at.to_send += frame_size_;
    } else if (at.is_message) {
        on_message(at.since);
    } else {  // a ping, whose sender is content with any answer
        send(at.socket, "\x8a\x80\0\0\0\0", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

// No chunked coding is undone: the servers put no chunk's end into a line.
std::size_t client::take_line(std::string_view bytes) {
    static constexpr std::string_view data = "data: ";
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return 0;
    if (bytes.starts_with(data)) on_message(stamp_of(bytes.substr(data.size(), end - data.size())));
    return end + 1;
}

void client::on_message(std::uint64_t since) {
    if (!counting_) return;
    ++messages_;
    if (since != 0) delays_.add(now_ - std::min(now_, since));
}

void client::flush(connection& to) {
    const auto n = send(to.socket, frames_.data() + to.sent % frame_size_, to.to_send, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) die("send");
    if (n > 0) {
        to.sent += static_cast<std::uint64_t>(n);
        to.to_send -= static_cast<std::uint64_t>(n);
    }
    if (to.blocked == (to.to_send != 0)) return;
    to.blocked = !to.blocked;
    watch(to, to.blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

void client::watch(connection& at, std::uint32_t what, int how) const {
    epoll_event event{};
    event.events = what;
    event.data.ptr = &at;
    epoll_ctl(set_, how, at.socket, &event);
}

}  // namespace

int main(int count, char** values) { client{bench::parse_load_options(count, values)}.run(); }
