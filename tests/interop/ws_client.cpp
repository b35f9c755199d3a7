// SPDX-License-Identifier: BSL-1.0

// The WebSocket client that the interoperability tests run: weir_interop_ws_client URL [--option VALUE]... [order]...
//
//     --subprotocol NAME   --field "Name: value"   (again and again)
//     --compress NAME      keep: with context takeover; forget: without; small: in small windows; absent: not at all
//
//     echo                 sends back every message until the peer closes
//     echo-pieces          as they come
//     trip SIZE            sends a text and a binary message of that size, and expects them back
//     text TEXT            binary SIZE         ping TEXT           awaits the pong
//     pieces SIZE          a text message of that size in pieces of 1,000 bytes
//     receive              prints the next message
//     close CODE REASON    abort               closed              awaits the end
//
// Prints what happens, line by line, and at last what the peer's close frame said and how the session ended. Trusts
// every certificate.

#include <weir/deflate.hpp>
#include <weir/ws_stream.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using weir::ws_message;

struct settings {
    std::string url;
    weir::ws_connect_options connect;
    std::optional<weir::deflate_frames> compress;
    std::vector<std::string> orders;
};

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) {
        throw std::invalid_argument("not a number: " + std::string{text});
    }
    return value;
}

weir::deflate_frames compression(std::string_view name) {
    weir::deflate_frames frames{.threshold = 0};
    if (name == "keep") frames.negotiation = {};
    if (name == "small") frames.negotiation = {.server_max_window_bits = 9, .client_max_window_bits = 10};
    return frames;
}

settings parse_arguments(std::span<char*> arguments) {
    settings result;
    result.url = arguments.empty() ? "" : arguments[0];
    std::size_t i = 1;
    for (; i + 1 < arguments.size() && std::string_view{arguments[i]}.starts_with("--"); i += 2) {
        const std::string_view name = arguments[i], value = arguments[i + 1];
        if (name == "--subprotocol") {
            result.connect.subprotocols.emplace_back(value);
        } else if (name == "--field") {
            const std::size_t colon = std::min(value.find(": "), value.size());
            result.connect.fields.emplace_back(value.substr(0, colon), value.substr(std::min(colon + 2, value.size())));
        } else if (name == "--compress") {
            result.compress = compression(value);
        } else {
            throw std::invalid_argument("unknown option " + std::string{name});
        }
    }
    for (; i < arguments.size(); ++i) result.orders.emplace_back(arguments[i]);
    return result;
}

/// Every byte value in turn; as text, a line that repeats itself.
std::string sample(std::size_t size, bool binary) {
    constexpr std::string_view line = "gr\u00fc\u00df\u20ac from the client. ";
    std::string data;
    data.reserve(size + line.size());
    while (data.size() < size) binary ? void(data += static_cast<char>(data.size() * 7 % 251)) : void(data += line);
    if (!binary && data.size() > size)
        data = std::string(size % line.size(), 'x') + data.substr(0, size - size % line.size());
    return data;
}

std::string describe(ws_message message) {
    std::string text = message.is_text() ? "text " : "binary ";
    text += std::to_string(message.size());
    if (message.is_text() && message.size() < 100) text.append(" ").append(message.text());
    return text;
}

/// One session and the orders that are left.
template <class Session>
class obedient {
public:
    obedient(Session& ws, const std::vector<std::string>& orders) : ws_(ws), orders_(orders) {}

    weir::net::awaitable<void> run() {
        while (next_ < orders_.size()) co_await obey(take());
    }

private:
    const std::string& take() {
        if (next_ == orders_.size()) throw std::invalid_argument("an order without its value");
        return orders_[next_++];
    }

    weir::net::awaitable<void> obey(const std::string& order) {
        if (order == "echo") {
            while (const auto message = co_await ws_.async_receive()) co_await ws_.async_send(*message);
        } else if (order == "echo-pieces") {
            while (const auto piece = co_await ws_.async_receive_some()) co_await ws_.async_send_some(*piece);
        } else if (order == "trip") {
            co_await trip(number(take()));
        } else if (order == "text") {
            co_await ws_.async_send(std::string_view{take()});
        } else if (order == "binary") {
            const std::string data = sample(number(take()), true);
            co_await ws_.async_send(ws_message::binary(data));
        } else if (order == "pieces") {
            co_await send_pieces(number(take()));
        } else if (order == "ping") {
            ws_.handle_with(
                {.on_pong = [](std::string_view payload) { std::cout << "pong " << payload << std::endl; }});
            ws_.ping(take());
        } else if (order == "receive") {
            const auto message = co_await ws_.async_receive();
            std::cout << (message ? describe(*message) : "nothing") << std::endl;
        } else if (order == "close") {
            const auto code = static_cast<std::uint16_t>(number(take()));
            co_await ws_.async_close(weir::ws_close_code{code}, take());
        } else if (order == "abort") {
            ws_.abort();
        } else if (order == "closed") {
            co_await ws_.async_closed();
        } else {
            throw std::invalid_argument("unknown order " + order);
        }
    }

    weir::net::awaitable<void> trip(std::size_t size) {
        for (const bool binary : {false, true}) {
            const std::string data = sample(size, binary);
            co_await ws_.async_send(ws_message{data, binary});
            const auto back = co_await ws_.async_receive();
            if (!back) throw std::runtime_error("closed instead of an echo");
            if (*back != ws_message{data, binary}) throw std::runtime_error("another message instead of an echo");
        }
    }

    weir::net::awaitable<void> send_pieces(std::size_t size) {
        const std::string data = sample(size, false);
        for (std::string_view rest = data; !rest.empty();) {
            const std::string_view piece = rest.substr(0, 1000);
            rest.remove_prefix(piece.size());
            co_await ws_.async_send_some(ws_message{piece, false, rest.empty()});
        }
    }

    Session& ws_;
    const std::vector<std::string>& orders_;
    std::size_t next_ = 0;
};

/// Does what it is told, then waits for the end, whatever happens on the way.
template <class Session>
weir::net::awaitable<void> converse(Session ws, const settings& given) {
    constexpr std::size_t largest = std::size_t{32} * 1024 * 1024;
    ws.limits({.max_message_bytes = largest, .max_pongs_per_second = 100});
    co_await ws.async_connect(given.url, given.connect);
    std::cout << "open subprotocol=" << ws.subprotocol() << " compresses=" << (ws.compresses() ? "yes" : "no")
              << std::endl;
    std::string failure;
    try {
        co_await obedient{ws, given.orders}.run();
    } catch (const weir::system_error&) {  // why the session ended; told below
    } catch (const std::exception& e) {
        failure = e.what();
        ws.abort();
    }
    ws.close();
    const weir::error_code reason = co_await ws.async_closed();
    const auto told = ws.close_reason();
    std::cout << "ended " << static_cast<unsigned>(told.code) << ' ' << told.text << '|'
              << (!failure.empty() ? failure
                  : reason         ? reason.message()
                                   : "in good order")
              << std::endl;
}

template <class Stream>
weir::net::awaitable<void> converse_on(Stream stream, const settings& given) {
    if (given.compress) return converse(weir::ws_stream{std::move(stream), *given.compress}, given);
    return converse(weir::ws_stream{std::move(stream)}, given);
}

}  // namespace

int main(int count, char** values) try {
    const settings given = parse_arguments(std::span{values, static_cast<std::size_t>(count)}.subspan(1));
    asio::io_context context;
    asio::ssl::context tls{asio::ssl::context::tls_client};
    const auto done = [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    };
    using socket = asio::ip::tcp::socket;
    if (given.url.starts_with("wss:")) {
        asio::co_spawn(context, converse_on(asio::ssl::stream<socket>{context, tls}, given), done);
    } else {
        asio::co_spawn(context, converse_on(socket{context}, given), done);
    }
    context.run();
} catch (const weir::system_error& e) {
    std::cout << "refused " << e.code().message() << std::endl;
    return 1;
} catch (const std::exception& e) {
    std::cerr << "weir_interop_ws_client: " << e.what() << '\n';
    return 1;
}
