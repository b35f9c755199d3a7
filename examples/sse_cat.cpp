// SPDX-License-Identifier: BSL-1.0

// Prints an event stream from standard input as one JSON object per line:
//
//     curl -sN http://127.0.0.1:8080/ticks | sse_cat

#include <weir/sse/decoder.hpp>
#include <weir/utf8.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace {

constexpr std::string_view usage =
    "usage: sse_cat [--feed N] [--last-event-id ID] [--summary] < stream\n"
    "Prints each event of a text/event-stream as {\"event\":...,\"data\":...,\"id\":...}, one per line.\n"
    "  --feed N            give the decoder N bytes at a time\n"
    "  --last-event-id ID  the id a reconnection starts from\n"
    "  --summary           end with {\"retry\":...,\"last_event_id\":...}\n"
    "  --help              print this\n";

struct options {
    std::size_t feed = 64 * 1024;
    std::string_view last_event_id;
    bool summary = false, help = false;
};

std::optional<std::size_t> parse_count(std::string_view text) {
    std::size_t count = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (ec != std::errc{} || end != text.data() + text.size() || count == 0) return std::nullopt;
    return count;
}

/// Empty result: the command line is not understood.
std::optional<options> parse_options(int argc, char** argv) {
    options chosen;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const bool has_value = i + 1 < argc;
        if (name == "--help") {
            chosen.help = true;
        } else if (name == "--summary") {
            chosen.summary = true;
        } else if (name == "--last-event-id" && has_value) {
            chosen.last_event_id = argv[++i];
        } else if (name == "--feed" && has_value) {
            const auto count = parse_count(argv[++i]);
            if (!count) return std::nullopt;
            chosen.feed = *count;
        } else {
            return std::nullopt;
        }
    }
    return chosen;
}

/// The text as a JSON string. RFC 8259 §7
std::string quoted(std::string_view text) {
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    std::string out = "\"";
    for (const char c : weir::replace_malformed(text)) {
        if (const std::size_t at = escaped.find(c); at != std::string_view::npos) {
            out += {'\\', letters[at]};
        } else if (static_cast<unsigned char>(c) < 0x20) {
            std::array<char, 8> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
            out += escape.data();
        } else {
            out += c;
        }
    }
    return out += '"';
}

/// At once, so that it is seen at once at the other end of a pipe.
void print(const std::string& line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

void print_event(const weir::sse::decoded_event& event) {
    print("{\"event\":" + quoted(event.event) + ",\"data\":" + quoted(event.data) + ",\"id\":" + quoted(event.id) +
          "}");
}

void print_summary(const weir::sse::decoder& decoder) {
    const auto retry = decoder.retry();
    print("{\"retry\":" + (retry ? std::to_string(retry->count()) : "null") +
          ",\"last_event_id\":" + quoted(decoder.last_event_id()) + "}");
}

/// Decodes standard input to its end. Returns the exit status.
int run(const options& chosen) {
    // Without limits: the stream is the user's own choice.
    weir::sse::decoder decoder{{.max_line_bytes = 0, .max_event_bytes = 0}, chosen.last_event_id};
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

int main(int argc, char** argv) {
    const auto chosen = parse_options(argc, argv);
    if (!chosen) {
        std::fputs(usage.data(), stderr);
        return 2;
    }
    if (chosen->help) {
        std::fputs(usage.data(), stdout);
        return 0;
    }
    return run(*chosen);
}
