// SPDX-License-Identifier: BSL-1.0
#pragma once

// A client of https that reads and writes as it is told. Every wait ends in an exception when nothing has come for a
// long time.

#include <weir/config.hpp>

#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(ssl/context.hpp)
#include WEIR_ASIO(ssl/error.hpp)
#include WEIR_ASIO(ssl/stream.hpp)
#include WEIR_ASIO(write.hpp)

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "raw_client.hpp"

namespace test {

namespace net = weir::net;

class tls_client {
public:
    using configure_function = std::function<void(net::ssl::context&)>;

    /// Connects, and shakes hands no sooner than it is told. `receive_buffer`: as raw_client's.
    explicit tls_client(std::uint16_t port, const configure_function& configure = {}, int receive_buffer = 0) {
        if (configure) configure(tls_);
        stream_.emplace(context_, tls_);
        auto& socket = stream_->next_layer();
        socket.open(net::ip::tcp::v4());
        if (receive_buffer != 0) socket.set_option(net::socket_base::receive_buffer_size{receive_buffer});
        socket.connect({net::ip::address_v4::loopback(), port});
        socket.set_option(net::ip::tcp::no_delay{true});
    }

    weir::error_code handshake() {
        return wait_for([&](auto done) { stream_->async_handshake(net::ssl::stream_base::client, std::move(done)); });
    }
    SSL* native() { return stream_->native_handle(); }
    std::string_view protocol() {
        const unsigned char* chosen = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(native(), &chosen, &size);
        return {reinterpret_cast<const char*>(chosen), size};
    }

    /// Shakes hands first, if that has not happened yet.
    tls_client& send(std::string_view bytes) {
        if (!SSL_is_init_finished(native()) && handshake()) throw std::runtime_error("no handshake");
        if (wait_for([&](auto done) { net::async_write(*stream_, net::buffer(bytes), std::move(done)); })) {
            throw std::runtime_error("the peer is gone");
        }
        return *this;
    }
    tls_client& get(std::string_view target, std::string_view more = {}) {
        std::string request = "GET ";
        request.append(target).append(" HTTP/1.1\r\nHost: localhost\r\n").append(more).append("\r\n");
        return send(request);
    }

    /// Everything up to the marker, with it. Throws if the stream ends before.
    std::string read_until(std::string_view marker) {
        for (;;) {
            if (const auto at = pending_.find(marker); at != std::string::npos) return take(at + marker.size());
            if (!receive()) throw std::runtime_error("the stream ended before \"" + std::string{marker} + '"');
        }
    }
    std::string read_exactly(std::size_t size) {
        while (pending_.size() < size) {
            if (!receive()) throw std::runtime_error("the stream ended early");
        }
        return take(size);
    }
    std::string read_to_end() {
        while (receive()) {
        }
        return take(pending_.size());
    }
    /// After the end was read: net::error::eof if the peer said so within TLS.
    weir::error_code end() const noexcept { return end_; }

    http_answer read_answer() {
        http_answer answer;
        answer.head = read_until("\r\n\r\n");
        answer.status = std::atoi(answer.head.c_str() + std::string_view{"HTTP/1.1 "}.size());
        const std::string length = answer.field("Content-Length");
        if (!length.empty()) answer.body = read_exactly(std::stoul(length));
        return answer;
    }
    http_answer fetch(std::string_view target, std::string_view more = {}) {
        get(target, more);
        return read_answer();
    }

    /// Says within TLS that no more comes, and waits for the peer to say so.
    weir::error_code shutdown() {
        return wait_for([&](auto done) { stream_->async_shutdown(std::move(done)); });
    }
    /// Ends the connection, TLS not being told.
    void cut() { stream_->next_layer().close(); }
    void reset() {
        stream_->next_layer().set_option(net::socket_base::linger{true, 0});
        cut();
    }

private:
    template <class Start>
    weir::error_code wait_for(Start start) {
        std::optional<weir::error_code> outcome;
        start([&outcome](weir::error_code ec, std::size_t = 0) { outcome = ec; });
        context_.restart();
        context_.run_for(std::chrono::seconds{30});
        if (!outcome) throw std::runtime_error("nothing happened in time: " + pending_.substr(0, 1000));
        return *outcome;
    }

    bool receive() {
        std::array<char, 64 * 1024> buffer;
        std::size_t size = 0;
        end_ = wait_for([&](auto done) {
            stream_->async_read_some(net::buffer(buffer), [&size, done](weir::error_code ec, std::size_t n) mutable {
                size = n;
                done(ec);
            });
        });
        pending_.append(buffer.data(), size);
        return !end_;
    }

    std::string take(std::size_t size) {
        std::string out = pending_.substr(0, size);
        pending_.erase(0, size);
        return out;
    }

    net::io_context context_;
    net::ssl::context tls_{net::ssl::context::tls_client};
    std::optional<net::ssl::stream<net::ip::tcp::socket>> stream_;
    std::string pending_;  // received and not read yet
    weir::error_code end_;
};

}  // namespace test
