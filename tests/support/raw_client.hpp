// SPDX-License-Identifier: BSL-1.0
#pragma once

// A client that sends exactly the bytes it is told to, on a blocking socket. Every wait ends in an exception when
// nothing has come for a long time, so that a test that would hang fails instead.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace test {

/// A response as it came, taken apart.
struct http_answer {
    int status = 0;
    std::string head;  ///< with the status line and the empty line
    std::string body;

    /// The value of a field, as the server writes its name; empty: there is none.
    std::string field(std::string_view name) const {
        const auto start = head.find("\r\n" + std::string{name} + ": ");
        if (start == std::string::npos) return {};
        const auto value = start + 2 + name.size() + 2;
        return head.substr(value, head.find("\r\n", value) - value);
    }
};

class raw_client {
public:
    /// `receive_buffer`: bytes the kernel may keep for us, about; 0: its own choice.
    explicit raw_client(std::uint16_t port, int receive_buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        if (socket_ < 0) throw std::runtime_error("no socket");
        const ::timeval patience{.tv_sec = 30, .tv_usec = 0};
        set(SOL_SOCKET, SO_RCVTIMEO, patience);
        set(SOL_SOCKET, SO_SNDTIMEO, patience);
        set(IPPROTO_TCP, TCP_NODELAY, 1);
        if (receive_buffer != 0) set(SOL_SOCKET, SO_RCVBUF, receive_buffer);
        ::sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<const ::sockaddr*>(&to), sizeof to) != 0) {
            ::close(socket_);
            throw std::runtime_error("no connection");
        }
    }
    raw_client(raw_client&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), pending_(std::move(other.pending_)) {}
    raw_client& operator=(raw_client&&) = delete;
    ~raw_client() { close(); }

    /// False: the peer takes no more.
    bool try_send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) throw std::runtime_error("nothing sent in time");
            if (n < 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    raw_client& send(std::string_view bytes) {
        if (!try_send(bytes)) throw std::runtime_error("the peer is gone");
        return *this;
    }
    /// Sends a GET request; `more`: whole field lines.
    raw_client& get(std::string_view target, std::string_view more = {}) {
        std::string request = "GET ";
        request.append(target).append(" HTTP/1.1\r\nHost: test\r\n").append(more).append("\r\n");
        return send(request);
    }

    /// Everything up to the marker, with it. Throws if the stream ends before.
    std::string read_until(std::string_view marker) {
        std::size_t searched = 0;
        for (;;) {
            const auto at = pending_.find(marker, searched);
            if (at != std::string::npos) return take(at + marker.size());
            searched = pending_.size() < marker.size() ? 0 : pending_.size() - marker.size() + 1;
            if (!receive())
                throw std::runtime_error("the stream ended before \"" + std::string{marker} + "\": " + pending_);
        }
    }
    std::string read_exactly(std::size_t size) {
        while (pending_.size() < size) {
            if (!receive()) throw std::runtime_error("the stream ended early: " + pending_);
        }
        return take(size);
    }
    /// Everything that still comes, until the peer ends the connection, in order or by a reset.
    std::string read_to_end() {
        while (receive()) {
        }
        return take(pending_.size());
    }
    /// After the end was read: it was a reset.
    bool was_reset() const noexcept { return was_reset_; }

    /// A response with a Content-Length, or without a body.
    http_answer read_answer(bool head_only = false) {
        http_answer answer;
        answer.head = read_until("\r\n\r\n");
        answer.status = std::atoi(answer.head.c_str() + std::string_view{"HTTP/1.1 "}.size());
        const std::string length = answer.field("Content-Length");
        if (!head_only && !length.empty()) answer.body = read_exactly(std::stoul(length));
        return answer;
    }
    /// Sends a GET request and reads the response to it.
    http_answer fetch(std::string_view target, std::string_view more = {}) {
        get(target, more);
        return read_answer();
    }

    void half_close() { ::shutdown(socket_, SHUT_WR); }
    void close() noexcept {
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }
    /// Ends the connection by a reset: what is under way in either direction is lost.
    void reset() {
        set(SOL_SOCKET, SO_LINGER, ::linger{.l_onoff = 1, .l_linger = 0});
        close();
    }

private:
    template <class T>
    void set(int level, int name, const T& value) {
        ::setsockopt(socket_, level, name, &value, sizeof value);
    }

    std::string take(std::size_t size) {
        std::string out = pending_.substr(0, size);
        pending_.erase(0, size);
        return out;
    }

    // False: the stream has ended.
    bool receive() {
        std::array<char, 64 * 1024> buffer;
        for (;;) {
            const auto n = ::recv(socket_, buffer.data(), buffer.size(), 0);
            if (n > 0) {
                pending_.append(buffer.data(), static_cast<std::size_t>(n));
                return true;
            }
            if (n == 0) return false;
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                throw std::runtime_error("nothing received in time: " + pending_);
            was_reset_ = true;
            return false;
        }
    }

    int socket_;
    std::string pending_;  // received and not read yet
    bool was_reset_ = false;
};

}  // namespace test
