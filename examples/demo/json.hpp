// SPDX-License-Identifier: BSL-1.0
#pragma once

// As much JSON as the demo needs: text and lists out, one question's text in. Not a general parser.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace demo::json {

/// `in` between quotes, escaped.
inline std::string quoted(std::string_view in) {
    std::string out = "\"";
    for (const char c : in) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) {
            out += c;
            continue;
        }
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += escape;
    }
    return out += '"';
}

/// A number with a few digits, the way JSON wants it whatever the locale's decimal sign.
inline std::string number(double value) {
    const auto thousandths = static_cast<std::int64_t>(value * 1000 + (value < 0 ? -0.5 : 0.5));
    const auto magnitude = static_cast<std::uint64_t>(thousandths < 0 ? -thousandths : thousandths);
    char text[40];
    std::snprintf(text, sizeof text, "%s%llu.%03u", thousandths < 0 ? "-" : "",
                  static_cast<unsigned long long>(magnitude / 1000), static_cast<unsigned>(magnitude % 1000));
    return text;
}

/// Reads values from the front of a text. Anything unexpected makes it fail, and it stays failed.
class reader {
public:
    explicit reader(std::string_view in) noexcept : in_(in) {}

    bool failed() const noexcept { return failed_; }

    /// Calls `member(name)` for each member of an object; it must read or skip the value.
    template <class Member>
    void object(Member&& member) {
        if (!take('{')) return fail();
        for (bool first = true; !failed_ && !take('}'); first = false) {
            if (!first && !take(',')) return fail();
            const std::string name = text();
            if (!take(':')) return fail();
            member(std::string_view{name});
        }
    }
    /// Calls `element()` for each element of an array; it must read or skip it.
    template <class Element>
    void array(Element&& element) {
        if (!take('[')) return fail();
        for (bool first = true; !failed_ && !take(']'); first = false) {
            if (!first && !take(',')) return fail();
            element();
        }
    }
    /// A string. A \u escape beyond ASCII becomes '?': only keywords are looked for in it.
    std::string text() {
        std::string out;
        if (!take('"')) return fail(), out;
        while (!in_.empty() && in_.front() != '"') out += character();
        if (in_.empty()) return fail(), out;
        in_.remove_prefix(1);
        return out;
    }
    /// Any value. `depth` bounds what a peer can make us recurse.
    void skip(int depth = 32) {
        if (depth == 0) return fail();
        const char c = peek();
        if (c == '"') return static_cast<void>(text());
        if (c == '{') return object([&](std::string_view) { skip(depth - 1); });
        if (c == '[') return array([&] { skip(depth - 1); });
        const std::size_t end = in_.find_first_of(",]} \t\r\n");
        if (end == 0 || end == std::string_view::npos) return fail();
        in_.remove_prefix(end);
    }
    char peek() {
        in_.remove_prefix(std::min(in_.find_first_not_of(" \t\r\n"), in_.size()));
        return in_.empty() ? '\0' : in_.front();
    }

private:
    void fail() noexcept {
        failed_ = true;
        in_ = {};
    }
    bool take(char wanted) {
        if (peek() != wanted) return false;
        in_.remove_prefix(1);
        return true;
    }
    char next() {
        if (in_.empty()) return fail(), '\0';
        const char c = in_.front();
        in_.remove_prefix(1);
        return c;
    }
    char character() {
        const char c = next();
        if (c != '\\') return c;
        const char escaped = next();
        if (escaped == 'u') return in_.remove_prefix(std::min<std::size_t>(4, in_.size())), '?';
        return escaped == 'n' || escaped == 't' || escaped == 'r' ? ' ' : escaped;
    }

    std::string_view in_;
    bool failed_ = false;
};

/// The text of the last message of a chat request, {"messages":[{"role":…,"content":"…"},…],…}; nothing if the body is
/// not of that form.
inline std::optional<std::string> last_message(std::string_view body) {
    reader in{body};
    std::optional<std::string> content;
    const auto message = [&] {
        in.object([&](std::string_view name) {
            if (name == "content" && in.peek() == '"')
                content = in.text();
            else
                in.skip();
        });
    };
    in.object([&](std::string_view name) {
        if (name == "messages")
            in.array(message);
        else
            in.skip();
    });
    if (in.failed()) return std::nullopt;
    return content;
}

}  // namespace demo::json
