// SPDX-License-Identifier: BSL-1.0

// The yardstick: what one thread with epoll can do at most. Of weir it has the handshake and the frame header; no
// sessions, no policies, no validation, no limits, no timeouts.
//
//   raw_server --port P
//
//   any path   WebSocket: every message comes back. One recv into a large buffer, one send for all that was in it.

#include <weir/http/request_parser.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/handshake.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct connection {
    int set;
    bool upgraded = false;
    std::string in;   // an unfinished head or frame
    std::string out;  // what the socket did not take
};

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

int listen_on(std::uint16_t port) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (listen(listener, 4096) != 0) die("listen");
    socklen_t size = sizeof address;
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("%u\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return listener;
}

void watch(int set, int at, std::uint32_t what, int how) {
    epoll_event event{};
    event.events = what;
    event.data.fd = at;
    epoll_ctl(set, how, at, &event);
}

// Sends, or keeps what is not taken until the socket takes more.
void put(int at, connection& to, std::string_view bytes) {
    if (to.out.empty()) {
        const auto n = send(at, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
        if (!bytes.empty()) watch(to.set, at, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    to.out += bytes;
}

void flush(int at, connection& to) {
    const auto n = send(at, to.out.data(), to.out.size(), MSG_NOSIGNAL);
    if (n > 0) to.out.erase(0, static_cast<std::size_t>(n));
    if (to.out.empty()) watch(to.set, at, EPOLLIN, EPOLL_CTL_MOD);
}

// The echoes are made in place: a frame without its key is four bytes shorter. Returns the bytes used.
std::size_t echo(int at, connection& to, char* bytes, std::size_t size) {
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
    if (end != bytes) put(at, to, {bytes, static_cast<std::size_t>(end - bytes)});
    return used;
}

// False: the connection is over.
bool receive(int at, connection& from, std::vector<char>& buffer) {
    const auto n = recv(at, buffer.data(), buffer.size(), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
    if (n < 0) return true;
    const auto size = static_cast<std::size_t>(n);
    if (!from.upgraded) {
        from.in.append(buffer.data(), size);
        weir::http::request_parser parser;
        if (parser.parse(from.in) != weir::http::request_parser::status::complete) return true;
        put(at, from, weir::ws::handshake(parser.request()).response);
        from.upgraded = true;
        from.in.clear();
    } else if (from.in.empty()) {
        const std::size_t used = echo(at, from, buffer.data(), size);
        from.in.assign(buffer.data() + used, size - used);
    } else {
        from.in.append(buffer.data(), size);
        from.in.erase(0, echo(at, from, from.in.data(), from.in.size()));
    }
    return true;
}

}  // namespace

int main(int count, char** values) {
    if (count != 3 || std::string_view{values[1]} != "--port") {
        std::fputs("usage: raw_server --port P\n", stderr);
        return 2;
    }
    const int listener = listen_on(static_cast<std::uint16_t>(std::strtoul(values[2], nullptr, 10)));
    const int set = epoll_create1(0);
    watch(set, listener, EPOLLIN, EPOLL_CTL_ADD);
    std::vector<std::unique_ptr<connection>> connections;
    std::vector<char> buffer(512 * 1024);
    std::array<epoll_event, 256> events;
    for (;;) {
        const int ready = epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < ready; ++i) {
            const int at = events[static_cast<std::size_t>(i)].data.fd;
            if (at == listener) {
                const int fresh = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
                if (fresh < 0) continue;
                const int on = 1;
                setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                if (connections.size() <= static_cast<std::size_t>(fresh)) {
                    connections.resize(static_cast<std::size_t>(fresh) + 1);
                }
                connections[static_cast<std::size_t>(fresh)] =
                    std::make_unique<connection>(connection{set, false, {}, {}});
                watch(set, fresh, EPOLLIN, EPOLL_CTL_ADD);
                continue;
            }
            auto& who = connections[static_cast<std::size_t>(at)];
            if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) flush(at, *who);
            if ((events[static_cast<std::size_t>(i)].events & EPOLLIN) != 0 && !receive(at, *who, buffer)) {
                who.reset();
                close(at);
            }
        }
    }
}
