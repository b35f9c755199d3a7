// SPDX-License-Identifier: BSL-1.0
#pragma once

// Requests in, responses out, one after the other on one connection. Layer: io. RFC 9112 §9

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/body_decoder.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/http/message.hpp>
#include <weir/http/request_parser.hpp>
#include <weir/io/deadline.hpp>
#include <weir/io/transport.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

struct http_limits {
    http::head_limits head;
    std::uint64_t max_body_bytes = 1024 * 1024;
    milliseconds request_time{10'000};  ///< for a whole request, from its first byte
    milliseconds idle_time{60'000};     ///< for the first byte of the next
    milliseconds write_time{30'000};    ///< for a whole response
};

/// A server's side of a connection. On a context that is run by one thread.
template <class Stream>
class http_connection {
public:
    http_connection(Stream stream, const http_limits& limits, std::string remote_address)
        : stream_(std::move(stream)), deadline_(stream_), limits_(limits), remote_address_(std::move(remote_address)) {}

    /// Reads the next request, with its body. error::peer_closed: the connection ended between two requests.
    net::awaitable<error> read(http::request_builder& request) {
        idle_ = received_.empty();
        deadline_.set(first_ || !idle_ ? limits_.request_time : limits_.idle_time);
        const error head = co_await read_head(request);
        if (head != error::none) co_return head;
        const error body = co_await read_body(request);
        deadline_.clear();
        first_ = false;
        co_return body;
    }

    net::awaitable<error> write(std::string_view response) {
        error_code ec;
        deadline_.set(limits_.write_time);
        const net::const_buffer all{response.data(), response.size()};
        co_await net::async_write(stream_, all, net::redirect_error(net::use_awaitable, ec));
        deadline_.clear();
        co_return ec ? error::peer_closed : error::none;
    }

    /// Ends the connection so that the peer can still read what was written. RFC 9112 §9.6
    net::awaitable<void> finish() {
        deadline_.set(linger_time);
        if constexpr (requires { stream_.async_shutdown_send(net::use_awaitable); }) {
            error_code ec;
            co_await stream_.async_shutdown_send(net::redirect_error(net::use_awaitable, ec));
        } else {
            shutdown_send_side(stream_);
        }
        for (std::size_t read = 0; read < max_linger_bytes;) {
            received_.clear();
            if (!co_await read_some()) break;
            read += received_.size();
        }
        deadline_.clear();
    }

    /// What came behind the last request, for another protocol to go on with.
    std::string take_received() noexcept { return std::exchange(received_, {}); }
    /// The stream, for another protocol to go on with.
    Stream release() {
        deadline_.clear();
        return std::move(stream_);
    }

    /// Ends a connection that waits for its next request.
    void close_if_idle() noexcept {
        if (idle_) close_stream(stream_);
    }

private:
    static constexpr std::size_t read_size = 4096;
    static constexpr milliseconds linger_time{2'000};
    static constexpr std::size_t max_linger_bytes = 1024 * 1024;

    net::awaitable<error> read_head(http::request_builder& request) {
        using status = http::request_parser::status;
        status parsed = status::need_more;
        while (received_.empty() || (parsed = request.parser().parse(received_)) == status::need_more) {
            const bool nothing_yet = received_.empty();
            if (!co_await read_some()) co_return failure(nothing_yet);
            if (nothing_yet) {
                idle_ = false;
                deadline_.set(limits_.request_time);
            }
        }
        idle_ = false;
        if (parsed == status::failed) co_return request.parser().error();
        const std::size_t size = request.parser().head_size();
        const error e = request.set_head(received_, remote_address_);
        if constexpr (requires { stream_.is_secure(); }) request.set_secure(stream_.is_secure());
        received_.erase(0, size);
        co_return e;
    }

    net::awaitable<error> read_body(http::request_builder& request) {
        using status = http::body_decoder::status;
        http::body_decoder decoder{request.parser().body(), {.max_body_bytes = limits_.max_body_bytes, .chunks = {}}};
        bool asked = !request.parser().expects_continue();
        for (;;) {
            std::string_view in = received_;
            const status s = decoder.feed(in, [&](std::string_view piece) { request.body().append(piece); });
            received_.erase(0, received_.size() - in.size());
            if (s == status::complete) co_return error::none;
            if (s == status::failed) co_return decoder.error();
            if (!std::exchange(asked, true)) {
                error_code ec;
                constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
                const net::const_buffer interim{go_on.data(), go_on.size()};
                co_await net::async_write(stream_, interim, net::redirect_error(net::use_awaitable, ec));
            }
            if (!co_await read_some()) co_return failure(false);
        }
    }

    error failure(bool between_requests) const noexcept {
        if (between_requests) return error::peer_closed;
        return deadline_.expired() ? error::request_timed_out : error::truncated;
    }

    // Appends what is there to what was received. False: nothing more comes, or not in time.
    net::awaitable<bool> read_some() {
        if (deadline_.expired()) co_return false;
        const std::size_t before = received_.size();
        received_.resize(before + read_size);
        error_code ec;
        const std::size_t n = co_await stream_.async_read_some(
            net::mutable_buffer{received_.data() + before, read_size}, net::redirect_error(net::use_awaitable, ec));
        received_.resize(before + n);
        co_return !ec;
    }

    Stream stream_;
    deadline<Stream> deadline_;
    const http_limits& limits_;
    std::string remote_address_;
    std::string received_;  // not consumed yet
    bool first_ = true;
    bool idle_ = true;
};

}  // namespace weir::detail
