// SPDX-License-Identifier: BSL-1.0
#pragma once

// An HTTP server that does what the test says: for each connection it keeps the request and performs a list of steps.
// It lives in the test's own io_context, without a thread, and its sockets are real.

#include <weir/config.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(buffer.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(detached.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(ip/tcp.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(redirect_error.hpp)
#include WEIR_ASIO(steady_timer.hpp)
#include WEIR_ASIO(use_awaitable.hpp)
#include WEIR_ASIO(write.hpp)

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace test {

/// A request as it came.
struct seen_request {
    std::string head;  ///< with the request line and the empty line
    std::string body;  ///< as long as its Content-Length says

    std::string line() const { return head.substr(0, head.find("\r\n")); }
    std::string method() const { return head.substr(0, head.find(' ')); }
    std::string target() const {
        const std::size_t start = head.find(' ') + 1;
        return head.substr(start, head.find(' ', start) - start);
    }
    /// The value of the first field of that name, in whichever case.
    std::optional<std::string> field(std::string_view name) const {
        for (std::size_t at = head.find("\r\n"); at + 4 < head.size(); at = head.find("\r\n", at + 2)) {
            const std::string_view field = std::string_view{head}.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
            if (field.size() <= name.size() || field[name.size()] != ':') continue;
            if (!std::ranges::equal(field.substr(0, name.size()), name, {}, lower, lower)) continue;
            const std::string_view value = field.substr(name.size() + 1);
            return std::string{value.substr(std::min(value.find_first_not_of(' '), value.size()))};
        }
        return std::nullopt;
    }

private:
    static char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
};

/// What the server does on a connection, once the request is there. After the last step it closes.
namespace script {

/// Sends bytes: at once, or `piece` of them with each write, and one turn of the event loop between the writes.
struct send {
    std::string bytes;
    std::size_t piece = 0;
};
/// Sends what is made from the request.
struct answer {
    std::function<std::string(const seen_request&)> make;
};
/// Waits until so many more bytes have come; they are added to scripted_server::received().
struct receive {
    std::size_t bytes;
};
/// Waits for another request on this connection.
struct next_request {};
/// Waits for scripted_server::proceed().
struct wait {};
/// Says nothing until the peer ends the connection.
struct silence {};
/// Ends the connection in good order: ours first, then the peer's.
struct close {};
/// Ends the connection by a reset: what is under way in either direction may be lost.
struct reset {};

using step = std::variant<send, answer, receive, next_request, wait, silence, close, reset>;
/// What happens on one connection.
using connection = std::vector<step>;

}  // namespace script

/// Runs one handler; throws when there is none for a long time.
inline void run_one(weir::net::io_context& context) {
    context.restart();
    if (context.run_one_for(std::chrono::seconds{30}) == 0) throw std::runtime_error{"what was waited for never came"};
}

/// Runs the context until `done()`.
template <class Done>
void run_until(weir::net::io_context& context, Done done) {
    while (!done()) run_one(context);
}

/// Listens on 127.0.0.1 while it has connections in its script. Not thread-safe; may be destroyed before the context
/// has finished with it.
class scripted_server {
    using tcp = weir::net::ip::tcp;

public:
    /// What becomes of connections after those in the script.
    enum class afterwards { refuse, repeat_last };

    scripted_server(weir::net::io_context& context, std::vector<script::connection> connections,
                    afterwards then = afterwards::refuse)
        : all_(std::make_shared<state>(context)) {
        all_->connections = std::move(connections);
        all_->then = then;
        if (!all_->goes_on(0)) all_->refuse();
        weir::net::co_spawn(context, accept(all_), weir::net::detached);
    }
    scripted_server(const scripted_server&) = delete;
    scripted_server& operator=(const scripted_server&) = delete;
    ~scripted_server() { all_->shut(); }

    std::uint16_t port() const { return all_->at.port(); }
    std::string url(std::string_view target = "/", std::string_view scheme = "http") const {
        return std::string{scheme} + "://127.0.0.1:" + std::to_string(port()) + std::string{target};
    }

    /// Lets one connection go on that waits, now or later.
    void proceed() {
        ++all_->told;
        all_->changed.cancel();
    }

    /// Every whole request, in the order of their coming.
    const std::vector<seen_request>& requests() const noexcept { return all_->requests; }
    /// What `receive` has taken, on all connections.
    const std::string& received() const noexcept { return all_->received; }
    /// How many connections there were.
    std::size_t connections() const noexcept { return all_->peers.size(); }
    /// How many of them have not ended on both sides.
    std::size_t open() const noexcept {
        return static_cast<std::size_t>(std::ranges::count(all_->peers, false, [](const auto& p) { return p->ended; }));
    }
    /// How many of them are at a step `wait` or `silence`.
    std::size_t waiting() const noexcept { return all_->waiting; }

private:
    struct peer {
        explicit peer(tcp::socket with) : socket(std::move(with)) {}

        tcp::socket socket;
        std::string unread;  // received, and not part of a request yet
        bool ended = false;
    };

    struct state {
        explicit state(weir::net::io_context& with)
            : context(with), acceptor(with, {weir::net::ip::address_v4::loopback(), 0}), reserved(with), changed(with) {
            changed.expires_at(std::chrono::steady_clock::time_point::max());
        }

        bool goes_on(std::size_t number) const noexcept {
            return number < connections.size() || (then == afterwards::repeat_last && !connections.empty());
        }
        const script::connection& of(std::size_t number) const {
            return connections[std::min(number, connections.size() - 1)];
        }
        /// The port stays taken: nobody else gets it, and a client does not connect to itself.
        void refuse() {
            acceptor.close();
            reserved.open(tcp::v4());
            reserved.set_option(tcp::socket::reuse_address(true));
            reserved.bind(at);
        }
        void shut() {
            over = true;
            weir::error_code ignored;
            acceptor.close(ignored);
            changed.cancel();
            for (const auto& p : peers) p->socket.close(ignored);
        }

        weir::net::io_context& context;
        tcp::acceptor acceptor;
        const tcp::endpoint at = acceptor.local_endpoint();
        tcp::socket reserved;
        std::vector<script::connection> connections;
        afterwards then = afterwards::refuse;
        std::vector<std::shared_ptr<peer>> peers;
        std::vector<seen_request> requests;
        std::string received;
        std::size_t waiting = 0, told = 0;
        weir::net::steady_timer changed;  // never expires: it is cancelled when `told` or `over` has changed
        bool over = false;
    };

    using state_ptr = std::shared_ptr<state>;
    using peer_ptr = std::shared_ptr<peer>;
    using done = weir::net::awaitable<void>;

    static done accept(state_ptr all) {
        for (std::size_t number = 0; all->goes_on(number); ++number) {
            tcp::socket socket = co_await all->acceptor.async_accept(weir::net::use_awaitable);
            if (!all->goes_on(number + 1)) all->refuse();
            socket.set_option(tcp::no_delay(true));
            all->peers.push_back(std::make_shared<peer>(std::move(socket)));
            weir::net::co_spawn(all->context, serve(all, all->peers.back(), all->of(number)), weir::net::detached);
        }
    }

    // A peer that ends the connection makes whatever is under way throw.
    static done serve(state_ptr all, peer_ptr with, script::connection steps) {
        try {
            co_await take_request(*all, *with);
            for (const script::step& next : steps) {
                const auto perform_it = [&](const auto& s) { return perform(*all, *with, s); };
                done performed = std::visit(perform_it, next);
                co_await std::move(performed);
            }
            co_await perform(*all, *with, script::close{});
        } catch (const weir::system_error&) {
        }
        weir::error_code ignored;
        with->socket.close(ignored);
        with->ended = true;
    }

    static done take_request(state& all, peer& from) {
        seen_request request;
        std::size_t end = 0;
        while ((end = from.unread.find("\r\n\r\n")) == std::string::npos) co_await read_more(from);
        request.head = take(from, end + 4);
        const std::string length = request.field("Content-Length").value_or("0");
        co_await read_until_there(from, std::strtoul(length.c_str(), nullptr, 10));
        request.body = take(from, std::strtoul(length.c_str(), nullptr, 10));
        all.requests.push_back(std::move(request));
    }

    // The steps are in `serve`'s frame, and outlive these.

    static done perform(state&, peer& to, const script::send& what) {
        std::string_view rest = what.bytes;
        const std::size_t piece = what.piece == 0 ? std::max<std::size_t>(rest.size(), 1) : what.piece;
        for (; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
            const auto bytes = weir::net::buffer(rest.substr(0, piece));
            co_await weir::net::async_write(to.socket, bytes, weir::net::use_awaitable);
            co_await weir::net::post(weir::net::use_awaitable);
        }
    }
    static done perform(state& all, peer& to, const script::answer& what) {
        const std::string bytes = what.make(all.requests.back());
        co_await weir::net::async_write(to.socket, weir::net::buffer(bytes), weir::net::use_awaitable);
    }
    static done perform(state& all, peer& from, const script::receive& what) {
        co_await read_until_there(from, what.bytes);
        all.received += take(from, what.bytes);
    }
    static done perform(state& all, peer& from, const script::next_request&) { return take_request(all, from); }
    static done perform(state& all, peer&, const script::wait&) {
        for (++all.waiting; all.told == 0 && !all.over;) {
            weir::error_code cancelled;
            auto token = weir::net::redirect_error(weir::net::use_awaitable, cancelled);
            co_await all.changed.async_wait(token);
        }
        --all.waiting;
        if (all.told != 0) --all.told;
    }
    static done perform(state& all, peer& with, const script::silence&) {
        ++all.waiting;
        co_await read_to_end(with);
        --all.waiting;
        throw weir::system_error{weir::net::error::eof};
    }
    static done perform(state&, peer& with, const script::close&) {
        with.socket.shutdown(tcp::socket::shutdown_send);
        co_await read_to_end(with);
        throw weir::system_error{weir::net::error::eof};
    }
    static done perform(state&, peer& with, const script::reset&) {
        with.socket.set_option(tcp::socket::linger(true, 0));
        with.socket.close();
        throw weir::system_error{weir::net::error::connection_reset};
        co_return;
    }

    static done read_more(peer& from) {
        std::array<char, 4096> piece;
        const std::size_t n = co_await from.socket.async_read_some(weir::net::buffer(piece), weir::net::use_awaitable);
        from.unread.append(piece.data(), n);
    }
    static done read_until_there(peer& from, std::size_t size) {
        while (from.unread.size() < size) co_await read_more(from);
    }
    static done read_to_end(peer& from) {
        try {
            for (;;) co_await read_more(from);
        } catch (const weir::system_error&) {
        }
    }
    static std::string take(peer& from, std::size_t size) {
        std::string out = from.unread.substr(0, size);
        from.unread.erase(0, size);
        return out;
    }

    state_ptr all_;
};

}  // namespace test
