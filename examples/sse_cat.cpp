// SPDX-License-Identifier: BSL-1.0

// Prints an event stream as one JSON object per line, and comes back when it is cut off:
//
//     sse_cat https://stream.wikimedia.org/v2/stream/recentchange --max-events 3
//
// Of a stream that something else has fetched, `sse_cat -` does the decoding alone.

#include <weir/gzip.hpp>
#include <weir/sse/decoder.hpp>
#include <weir/sse_client.hpp>
#include <weir/tls.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "command_line.hpp"
#include "json.hpp"

namespace {

constexpr const char* usage =
    "usage: sse_cat URL [OPTION]...\n"
    "       sse_cat - [--feed N] [--last-event-id ID] [--summary] < stream\n"
    "Prints each event of a text/event-stream as {\"event\":...,\"data\":...,\"id\":...}, one per line, and what "
    "happens\n"
    "to the stream on standard error. Exit status 0: it ended in good order.\n"
    "  -H 'Name: value'    adds a field to the request\n"
    "  -d BODY             is sent with each request, which is a POST then\n"
    "  -X METHOD           another method\n"
    "  --last-event-id ID  where to begin\n"
    "  --max-events N      ends after N events\n"
    "  --retry MS          comes back after so long, or later if the server says so; else after some seconds\n"
    "  --once              does not come back when the stream has ended\n"
    "  --end MARKER        data that ends the stream: [DONE]\n"
    "  --proxy URL         an HTTP proxy that opens tunnels\n"
    "  --cacert FILE       authorities to trust instead of the system's\n"
    "  -k                  believes whoever answers an https URL\n"
    "  --feed N            gives the decoder N bytes of standard input at a time\n"
    "  --summary           ends with {\"retry\":...,\"last_event_id\":...}\n"
    "  --help              prints this\n";

struct options {
    std::string url;  // "-": standard input
    weir::sse_client_options client{.decoding = weir::gzip_content{}};
    weir::tls_client_options tls;
    std::size_t max_events = 0, feed = 64 * 1024;  // events: 0 stands for all
    bool summary = false, help = false;
};

/// Empty result: the command line is not understood.
std::optional<options> parse_options(command_line given) {
    options chosen;
    while (!given.empty()) {
        const std::string name = given.text();
        if (name == "-H") {
            chosen.client.fields.push_back(given.field());
        } else if (name == "-d") {
            chosen.client.body = given.text();
        } else if (name == "-X") {
            chosen.client.method = given.text();
        } else if (name == "--last-event-id") {
            chosen.client.last_event_id = given.text();
        } else if (name == "--max-events") {
            given.number(chosen.max_events);
        } else if (name == "--retry") {
            std::uint32_t delay = 0;
            given.number(delay);
            chosen.client.retry = weir::milliseconds{delay};
            chosen.client.reconnect = weir::fixed_delay{weir::milliseconds{delay}};
        } else if (name == "--once") {
            chosen.client.reconnect = weir::never_reconnect{};
        } else if (name == "--end") {
            chosen.client.end_marker = given.text();
        } else if (name == "--proxy") {
            chosen.client.proxy = weir::http_proxy{given.text()};
        } else if (name == "--cacert") {
            chosen.tls.ca_file = given.text();
        } else if (name == "-k") {
            chosen.tls.verify = false;
        } else if (name == "--feed") {
            given.number(chosen.feed);
        } else if (name == "--summary") {
            chosen.summary = true;
        } else if (name == "--help") {
            chosen.help = true;
        } else if (chosen.url.empty() && (name == "-" || !name.starts_with('-'))) {
            chosen.url = name;
        } else {
            given.fail();
        }
    }
    if (given.failed() || chosen.feed == 0 || (chosen.url.empty() && !chosen.help)) return std::nullopt;
    return chosen;
}

/// At once, so that it is seen at once at the other end of a pipe.
void print(const std::string& line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

void print_event(const weir::sse_message& event) {
    print("{\"event\":" + json::quoted(event.event) + ",\"data\":" + json::quoted(event.data) +
          ",\"id\":" + json::quoted(event.id) + "}");
}

// ---- A stream of a server's ----

void report_retry(weir::error_code reason, weir::milliseconds delay) {
    const std::string what = reason.message();
    std::fprintf(stderr, "sse_cat: %s; again in %lld ms\n", what.c_str(), static_cast<long long>(delay.count()));
}

asio::awaitable<void> print_events(weir::sse_client& client, std::size_t at_most) {
    for (std::size_t count = 0; at_most == 0 || count < at_most; ++count) {
        const auto event = co_await client.async_next();
        if (!event) co_return;
        print_event(*event);
    }
}

/// Returns the exit status.
int report_end(const weir::sse_client& client, bool begun, const std::exception_ptr& thrown) {
    try {
        if (thrown) std::rethrow_exception(thrown);
    } catch (const weir::system_error& e) {
        // With --once, the first stream's end is the end.
        if (begun && e.code() == weir::error::peer_closed) return 0;
        const auto& [status, text] = client.failure();
        std::fprintf(stderr, "sse_cat: %s\n", e.code().message().c_str());
        if (status != 0) std::fprintf(stderr, "status %d: %s\n", status, text.c_str());
        return 1;
    }
    return 0;
}

int print_stream(options chosen) {
    chosen.client.tls = chosen.tls;
    chosen.client.limits = {.max_line_bytes = 0, .max_event_bytes = 0};  // the stream is the user's own choice
    asio::io_context context{1};
    weir::sse_client client{context, chosen.url, std::move(chosen.client)};
    bool begun = false;
    client.handle_with({.on_open = [&begun] { begun = true; }, .on_retry = report_retry});
    int status = 0;
    asio::co_spawn(context, print_events(client, chosen.max_events), [&](std::exception_ptr thrown) {
        status = report_end(client, begun, thrown);
        context.stop();
    });
    context.run();
    return status;
}

// ---- Standard input ----

void print_summary(const weir::sse::decoder& decoder) {
    const auto retry = decoder.retry();
    print("{\"retry\":" + (retry ? std::to_string(retry->count()) : "null") +
          ",\"last_event_id\":" + json::quoted(decoder.last_event_id()) + "}");
}

int decode_input(const options& chosen) {
    weir::sse::decoder decoder{{.max_line_bytes = 0, .max_event_bytes = 0}, chosen.client.last_event_id};
    std::array<char, 64 * 1024> buffer;
    for (;;) {
        const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            std::fprintf(stderr, "sse_cat: %s\n", std::strerror(errno));
            return 1;
        }
        if (count == 0) break;
        std::string_view rest{buffer.data(), static_cast<std::size_t>(count)};
        for (; !rest.empty(); rest.remove_prefix(std::min(chosen.feed, rest.size()))) {
            decoder.feed(rest.substr(0, chosen.feed), print_event);
        }
    }
    if (chosen.summary) print_summary(decoder);
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto chosen = parse_options({argc, argv});
    if (!chosen || chosen->help) {
        std::fputs(usage, chosen ? stdout : stderr);
        return chosen ? 0 : 2;
    }
    return chosen->url == "-" ? decode_input(*chosen) : print_stream(*chosen);
} catch (const std::exception& e) {
    std::fprintf(stderr, "sse_cat: %s\n", e.what());
    return 1;
}
