// SPDX-License-Identifier: BSL-1.0

// The yardstick: what threads with epoll and send() can do at most. Of weir it has the handshakes and the encoders of
// what is written once; no sessions, no policies, no validation, no limits, no timeouts.
//
//   raw_server --port P [options]     its options are those of push_server, but for --deflate and --uring
//
//   /ws        WebSocket: a subscriber
//   /sse       event stream, chunked: a subscriber
//   any other  WebSocket: every message comes back. One recv into a large buffer, one send for all that was in it.
//
// Publishing is one send() for each subscriber, of bytes that are encoded already but for their stamp. Each thread has
// a listener, an epoll set and connections of its own, and publishes to those.

#include <weir/http/request_parser.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/handshake.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "push_options.hpp"
#include "raw/listening.hpp"
#include "raw/publishing.hpp"

namespace {

using bench::audience;
using bench::start_signal;

struct connection {
    bool upgraded = false;
    audience* subscribed = nullptr;
    std::uint32_t place = 0;  // there
    std::string in;           // an unfinished head or frame
    std::string out;          // what the socket did not take
    std::size_t flushed = 0;  // of `out`, from the front
};

class event_loop {
public:
    event_loop(const bench::push_options& options, int listener, start_signal& start);
    void run();

private:
    void accept();
    void close(int at);
    void on_event(int at, std::uint32_t what);
    bool receive(int at);
    void answer(int at, std::string_view received);
    void subscribe(int at, audience& to);
    std::size_t echo(int at, char* bytes, std::size_t size);

    void on_timer();
    void publish();
    int patience() const;

    void put(int at, std::string_view bytes);
    void flush(int at);
    void watch(int at, std::uint32_t what, int how) const;
    connection& of(int at) { return connections_[static_cast<std::size_t>(at)]; }

    bench::push_options options_;
    int set_ = epoll_create1(0), listener_, timer_ = -1;
    start_signal& start_;
    std::vector<connection> connections_;  // by descriptor
    std::vector<char> buffer_ = std::vector<char>(512 * 1024);
    audience websockets_, event_streams_;
    std::size_t behind_ = 0;  // connections with something in `out`
};

event_loop::event_loop(const bench::push_options& options, int listener, start_signal& start)
    : options_{options}, listener_{listener}, start_{start} {
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    const std::string payload = bench::make_payload(options.size);
    const weir::ws::frame_encoder frame{.payload = weir::as_bytes(payload)};
    std::string encoded(frame.size(), '\0');
    frame.write(encoded.data());
    websockets_.prepare(encoded, payload, options.burst);
    event_streams_.prepare(weir::sse::encode({.data = payload}, weir::sse::framing::chunked), payload, options.burst);
    if (!options.publish || options.rate <= 0) return;
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    const auto period = static_cast<long>(1e9 / options.rate);
    const timespec every{period / 1'000'000'000, period % 1'000'000'000};
    const itimerspec schedule{every, every};
    timerfd_settime(timer_, 0, &schedule, nullptr);
    watch(timer_, EPOLLIN, EPOLL_CTL_ADD);
}

void event_loop::run() {
    std::array<epoll_event, 256> events;
    for (;;) {
        const int timeout = patience();
        const int ready = epoll_wait(set_, events.data(), static_cast<int>(events.size()), timeout);
        for (int i = 0; i < ready; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            on_event(event.data.fd, event.events);
        }
        if (timeout == 0 && behind_ == 0) publish();
    }
}

// How long to wait for events, in ms. Without a rate, for none while there is something to publish.
int event_loop::patience() const {
    const bool alone = websockets_.sockets.empty() && event_streams_.sockets.empty();
    if (!options_.publish || options_.rate > 0 || alone || behind_ != 0) return -1;
    return start_.given() ? 0 : 1;  // another thread may give it
}

void event_loop::on_event(int at, std::uint32_t what) {
    if (at == listener_) return accept();
    if (at == timer_) return on_timer();
    if ((what & EPOLLOUT) != 0) flush(at);
    if ((what & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 && !receive(at)) close(at);
}

void event_loop::accept() {
    const int fresh = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fresh < 0) return;
    const int on = 1;
    setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connections_.size() <= static_cast<std::size_t>(fresh))
        connections_.resize(static_cast<std::size_t>(fresh) + 1);
    watch(fresh, EPOLLIN, EPOLL_CTL_ADD);
}

void event_loop::close(int at) {
    connection& gone = of(at);
    if (!gone.out.empty()) --behind_;
    if (gone.subscribed != nullptr) {
        auto& sockets = gone.subscribed->sockets;
        of(sockets.back()).place = gone.place;
        sockets[gone.place] = sockets.back();
        sockets.pop_back();
        start_.left();
    }
    gone = {};
    ::close(at);
}

// ---- reading ----

// False: the connection is over.
bool event_loop::receive(int at) {
    const auto n = recv(at, buffer_.data(), buffer_.size(), 0);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    const auto size = static_cast<std::size_t>(n);
    connection& from = of(at);
    if (from.subscribed != nullptr) return true;
    if (!from.upgraded) {
        answer(at, {buffer_.data(), size});
    } else if (from.in.empty()) {
        const std::size_t used = echo(at, buffer_.data(), size);
        from.in.assign(buffer_.data() + used, size - used);
    } else {
        from.in.append(buffer_.data(), size);
        from.in.erase(0, echo(at, from.in.data(), from.in.size()));
    }
    return true;
}

void event_loop::answer(int at, std::string_view received) {
    connection& to = of(at);
    to.in += received;
    weir::http::request_parser parser;
    if (parser.parse(to.in) != weir::http::request_parser::status::complete) return;
    const weir::http::request_view& request = parser.request();
    const bool stream = request.target == "/sse";
    put(at, stream ? weir::sse::handshake(request).response : weir::ws::handshake(request).response);
    if (stream || request.target == "/ws") subscribe(at, stream ? event_streams_ : websockets_);
    to.upgraded = true;
    to.in.clear();
    to.in.shrink_to_fit();
}

void event_loop::subscribe(int at, audience& to) {
    of(at).subscribed = &to;
    of(at).place = static_cast<std::uint32_t>(to.sockets.size());
    to.sockets.push_back(at);
    start_.joined();
}

// The echoes are made in place: a frame without its key is four bytes shorter. Returns the bytes used.
std::size_t event_loop::echo(int at, char* bytes, std::size_t size) {
    std::size_t used = 0;
    char* end = bytes;
    const auto view = [&] { return std::as_writable_bytes(std::span{bytes + used, size - used}); };
    for (;;) {
        const auto found = weir::ws::decode_header(view(), {.masked = true});
        if (found.consumed == 0 || size - used - found.consumed < found.header.payload_size) break;
        const auto payload = view().subspan(found.consumed, found.header.payload_size);
        weir::ws::apply_mask(payload, found.header.key);
        auto answer = found.header;
        answer.masked = false;
        used += found.consumed + payload.size();
        end = weir::ws::write_header(end, answer);
        std::memmove(end, payload.data(), payload.size());
        end += payload.size();
    }
    if (end != bytes) put(at, {bytes, static_cast<std::size_t>(end - bytes)});
    return used;
}

// ---- publishing ----

void event_loop::on_timer() {
    std::uint64_t due = 0;
    if (read(timer_, &due, sizeof due) != sizeof due) return;
    for (; due != 0 && start_.given(); --due) publish();
}

void event_loop::publish() {
    std::array<char, bench::stamp_size> stamp;
    bench::write_stamp(stamp.data());
    for (audience* const to : {&websockets_, &event_streams_}) {
        to->stamp(stamp.data());
        for (const int at : to->sockets) put(at, to->bytes);
    }
}

// ---- writing ----

// Sends, or keeps what is not taken until the socket takes more.
void event_loop::put(int at, std::string_view bytes) {
    connection& to = of(at);
    if (to.out.empty()) {
        const auto n = send(at, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
        if (bytes.empty()) return;
        watch(at, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
        ++behind_;
    }
    to.out += bytes;
}

void event_loop::flush(int at) {
    connection& to = of(at);
    if (to.out.empty()) return;
    const auto n = send(at, to.out.data() + to.flushed, to.out.size() - to.flushed, MSG_NOSIGNAL);
    if (n > 0) to.flushed += static_cast<std::size_t>(n);
    if (to.flushed < to.out.size() / 2) return;
    to.out.erase(0, std::exchange(to.flushed, 0));
    if (!to.out.empty()) return;
    watch(at, EPOLLIN, EPOLL_CTL_MOD);
    --behind_;
}

void event_loop::watch(int at, std::uint32_t what, int how) const {
    epoll_event event{};
    event.events = what;
    event.data.fd = at;
    epoll_ctl(set_, how, at, &event);
}

}  // namespace

int main(int count, char** values) {
    bench::push_options options = bench::parse_push_options(count, values);
    if (options.deflate || options.uring || options.threads == 0) bench::usage(values[0]);
    start_signal start{options.wait};
    std::vector<int> listeners;
    for (unsigned i = 0; i != options.threads; ++i) {
        listeners.push_back(bench::listen_on(options.port, options.threads > 1));
        options.port = bench::port_of(listeners.back());
    }
    std::printf("%u\n", options.port);
    std::fflush(stdout);
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i != listeners.size(); ++i) {
        others.emplace_back([&, i] { event_loop{options, listeners[i], start}.run(); });
    }
    event_loop{options, listeners[0], start}.run();
}
