// SPDX-License-Identifier: BSL-1.0
#pragma once

// A WebSocket server in the test's own io_context, whose connections do what the test says. The sockets are real.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/message_framing.hpp>
#include <weir/ws_stream.hpp>

#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(socket_base.hpp)

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

class ws_peers {
    using tcp = weir::net::ip::tcp;
    using session = weir::ws_stream<tcp::socket, weir::no_heartbeat>;

public:
    /// One connection, from the server's side.
    struct peer {
        explicit peer(tcp::socket socket) : ws(std::move(socket), weir::no_heartbeat{}) {}

        /// Ends the connection by a reset: what is under way in either direction is lost.
        void cut() {
            weir::error_code ignored;
            ws.stream().set_option(tcp::socket::linger(true, 0), ignored);
            ws.abort();
        }

        session ws;
        bool open = false, ended = false;
        std::vector<std::string> messages{};
    };

    /// `reads`: the first connection takes what is sent.
    explicit ws_peers(weir::net::io_context& context, bool reads = true) : acceptor_(context, tcp::v4()) {
        acceptor_.set_option(weir::net::socket_base::receive_buffer_size(4096));
        acceptor_.bind({weir::net::ip::address_v4::loopback(), 0});
        acceptor_.listen();
        port_ = acceptor_.local_endpoint().port();
        reads_ = reads;
        accept();
    }

    std::string url(std::string_view target = "/") const {
        return "ws://127.0.0.1:" + std::to_string(port_) + std::string{target};
    }
    /// Connections that have shaken hands, or had.
    std::size_t size() const noexcept { return peers_.size(); }
    peer& operator[](std::size_t i) { return *peers_.at(i); }
    peer& last() { return *peers_.back(); }
    /// Listens no more.
    void stop() { acceptor_.close(); }

    weir::ws_accept_options options{};

private:
    void accept() {
        acceptor_.async_accept([this](weir::error_code ec, tcp::socket socket) {
            if (ec) return;
            auto made = std::make_shared<peer>(std::move(socket));
            made->ws.limits({.max_message_bytes = 64 * 1024 * 1024});
            made->ws.async_accept(options, weir::milliseconds{0}, [this, made](weir::error_code failed) {
                if (!failed) begin(made);
            });
            accept();
        });
    }
    void begin(const std::shared_ptr<peer>& made) {
        made->open = true;
        if (!std::exchange(reads_, true)) made->ws.pause();
        made->ws.on_message([p = made.get()](weir::ws_message m) { p->messages.emplace_back(m.text()); });
        made->ws.on_close([p = std::weak_ptr{made}](weir::error_code) {
            if (const auto alive = p.lock()) alive->ended = true;
        });
        peers_.push_back(made);
    }

    tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    bool reads_ = true;
    std::vector<std::shared_ptr<peer>> peers_;
};

}  // namespace test
