// SPDX-License-Identifier: BSL-1.0

// A WebSocket client for the command line: sends each line of standard input as a message, prints each message it
// receives as a line, and closes at the end of the input. When the connection breaks it comes back.
//
//     echo hello | weir_ws_cat ws://127.0.0.1:8080/

#include <weir/tls.hpp>
#include <weir/ws_client.hpp>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "command_line.hpp"

namespace {

constexpr const char* usage =
    "usage: ws_cat URL [OPTION]...\n"
    "Sends the lines of standard input as messages, and prints the messages received as lines. Exit status 0: the\n"
    "connection was closed in good order.\n"
    "  -H 'Name: value'   adds a field to the request\n"
    "  --subprotocol S    offers a subprotocol, behind those before\n"
    "  --max-messages N   closes after N messages from the server\n"
    "  --retry MS         comes back after so long; else after some seconds\n"
    "  --once             does not come back when the connection has ended\n"
    "  --proxy URL        an HTTP proxy that opens tunnels\n"
    "  --cacert FILE      authorities to trust instead of the system's\n"
    "  -k                 believes whoever answers a wss URL\n"
    "  --help             prints this\n";

struct options {
    std::string url;
    weir::ws_client_options client{.limits = {.max_message_bytes = 0}};  // the server is the user's own choice
    weir::tls_client_options tls;
    std::size_t max_messages = 0;  // 0: all
    bool help = false;
};

/// Empty result: the command line is not understood.
std::optional<options> parse_options(command_line given) {
    options chosen;
    while (!given.empty()) {
        const std::string name = given.text();
        if (name == "-H") {
            chosen.client.fields.push_back(given.field());
        } else if (name == "--subprotocol") {
            chosen.client.subprotocols.push_back(given.text());
        } else if (name == "--max-messages") {
            given.number(chosen.max_messages);
        } else if (name == "--retry") {
            std::uint32_t delay = 0;
            given.number(delay);
            chosen.client.reconnect = weir::fixed_delay{weir::milliseconds{delay}};
        } else if (name == "--once") {
            chosen.client.reconnect = weir::never_reconnect{};
        } else if (name == "--proxy") {
            chosen.client.proxy = weir::http_proxy{given.text()};
        } else if (name == "--cacert") {
            chosen.tls.ca_file = given.text();
        } else if (name == "-k") {
            chosen.tls.verify = false;
        } else if (name == "--help") {
            chosen.help = true;
        } else if (chosen.url.empty() && !name.starts_with('-')) {
            chosen.url = name;
        } else {
            given.fail();
        }
    }
    if (given.failed() || (chosen.url.empty() && !chosen.help)) return std::nullopt;
    chosen.client.tls = chosen.tls;
    return chosen;
}

/// From the first connection on, standard input is read; at its end the present connection is the last one.
class conversation {
public:
    conversation(asio::io_context& context, const options& chosen) : ws_(context, chosen.url, chosen.client) {
        ws_.handle_with({.on_open = [this](auto&) { begin(); }, .on_retry = report_retry});
    }
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;

    /// To the end, or until there were so many messages.
    asio::awaitable<void> print_messages(std::size_t at_most) {
        for (std::size_t count = 0; at_most == 0 || count < at_most; ++count) {
            const auto message = co_await ws_.async_receive();
            if (!message) co_return;
            std::fwrite(message->text().data(), 1, message->size(), stdout);
            std::fputc('\n', stdout);
            std::fflush(stdout);
        }
        co_await ws_.async_close();
    }

    /// Returns the exit status.
    int report_end(const std::exception_ptr& thrown) const {
        using close_code = weir::ws_close_code;
        const auto [code, reason] = ws_.close_reason();
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const weir::system_error& e) {
            if (e.code() != weir::error::peer_closed || code == close_code::abnormal) {
                std::fprintf(stderr, "ws_cat: %s\n", e.code().message().c_str());
                return 1;
            }
        }
        if (code == close_code::normal || code == close_code::no_status || code == close_code::abnormal) return 0;
        std::fprintf(stderr, "ws_cat: closed with %d %.*s\n", static_cast<int>(code), static_cast<int>(reason.size()),
                     reason.data());
        return 1;
    }

private:
    enum class input { not_read_yet, read, ended };

    void begin() {
        if (input_ == input::ended) ws_.close();
        if (input_ != input::not_read_yet) return;
        input_ = input::read;
        asio::co_spawn(ws_.get_executor(), send_lines(), [](std::exception_ptr) {});
    }

    // Waits while the server takes no more.
    asio::awaitable<void> send_lines() {
        asio::posix::stream_descriptor lines{ws_.get_executor(), ::dup(STDIN_FILENO)};
        std::string received;
        for (;;) {
            weir::error_code ec;
            auto token = asio::redirect_error(asio::use_awaitable, ec);
            const auto size = co_await asio::async_read_until(lines, asio::dynamic_buffer(received), '\n', token);
            if (ec) break;
            co_await ws_.async_send(std::string_view{received}.substr(0, size - 1));
            received.erase(0, size);
        }
        input_ = input::ended;
        if (ws_.is_open()) ws_.close();  // else what waits to be sent would be lost
    }

    static void report_retry(weir::error_code reason, weir::milliseconds delay) {
        const std::string what = reason.message();
        std::fprintf(stderr, "ws_cat: %s; again in %lld ms\n", what.c_str(), static_cast<long long>(delay.count()));
    }

    weir::ws_client ws_;
    input input_ = input::not_read_yet;
};

int run(const options& chosen) {
    asio::io_context context{1};
    conversation with_server{context, chosen};
    int status = 0;
    asio::co_spawn(context, with_server.print_messages(chosen.max_messages), [&](std::exception_ptr thrown) {
        status = with_server.report_end(thrown);
        context.stop();
    });
    context.run();
    return status;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto chosen = parse_options({argc, argv});
    if (!chosen || chosen->help) {
        std::fputs(usage, chosen ? stdout : stderr);
        return chosen ? 0 : 2;
    }
    return run(*chosen);
} catch (const std::exception& e) {
    std::fprintf(stderr, "ws_cat: %s\n", e.what());
    return 1;
}
