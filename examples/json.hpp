// SPDX-License-Identifier: BSL-1.0
#pragma once

// As much JSON as the examples need: text and numbers out, a document's values in, one after the other. RFC 8259

#include <weir/utf8.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace json {

/// `in` between quotes, escaped; what is not UTF-8 becomes U+FFFD.
inline std::string quoted(std::string_view in) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    std::string out = "\"";
    for (const char c : weir::replace_malformed(in)) {
        if (const std::size_t at = special.find(c); at != std::string_view::npos) {
            out += {'\\', letters[at]};
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            out += escape;
        } else {
            out += c;
        }
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
    /// Everything has been read, and was as expected.
    bool complete() { return peek() == '\0' && in_.empty() && !failed_; }

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
    /// A string, as UTF-8.
    std::string text() {
        std::string out;
        if (!take('"')) fail();
        while (!failed_) {
            const char c = next();
            if (c == '"') break;
            if (static_cast<unsigned char>(c) < 0x20) return fail(), out;
            if (c == '\\') {
                append_escaped(out);
            } else {
                out += c;
            }
        }
        return out;
    }
    /// A number without a fraction.
    std::int64_t integer() {
        peek();
        std::int64_t value = 0;
        const auto [end, ec] = std::from_chars(in_.data(), in_.data() + in_.size(), value);
        if (ec != std::errc{}) return fail(), 0;
        in_.remove_prefix(static_cast<std::size_t>(end - in_.data()));
        return value;
    }
    /// Whether it is null; if so, that has been read.
    bool null() {
        if (peek() != 'n') return false;
        skip();
        return true;
    }
    /// Any value. `depth` bounds what a peer can make us recurse.
    void skip(int depth = 32) {
        if (depth == 0) return fail();
        const char c = peek();
        if (c == '"') return static_cast<void>(text());
        if (c == '{') return object([&](std::string_view) { skip(depth - 1); });
        if (c == '[') return array([&] { skip(depth - 1); });
        const std::string_view word = in_.substr(0, in_.find_first_of(",]} \t\r\n"));
        const bool is_number = word.find_first_not_of("+-.0123456789Ee") == word.npos && !word.empty();
        if (!is_number && word != "true" && word != "false" && word != "null") return fail();
        in_.remove_prefix(word.size());
    }
    /// Any value; calls `found(text)` for each string that is where these names lead. Arrays are looked through.
    template <class Found>
    void find(std::span<const std::string_view> names, Found&& found, int depth = 32) {
        if (depth == 0) return fail();
        const char c = peek();
        if (c == '[') return array([&] { find(names, found, depth - 1); });
        if (c == '"' && names.empty()) return found(text());
        if (c != '{' || names.empty()) return skip(depth);
        object([&](std::string_view name) {
            name == names.front() ? find(names.subspan(1), found, depth - 1) : skip(depth - 1);
        });
    }
    /// What comes next, without reading it; NUL: nothing.
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
        if (in_.empty() || peek() != wanted) return false;
        in_.remove_prefix(1);
        return true;
    }
    char next() {
        if (in_.empty()) return fail(), '\0';
        const char c = in_.front();
        in_.remove_prefix(1);
        return c;
    }

    void append_escaped(std::string& out) {
        constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
        const char c = next();
        if (c == 'u') return append_utf8(out, code_point());
        const std::size_t at = letters.find(c);
        if (at == letters.npos) return fail();
        out += meant[at];
    }
    /// Four hexadecimal digits, or twice four with another \u between them: a surrogate pair. Half a pair is U+FFFD.
    char32_t code_point() {
        const char32_t first = code_unit();
        if (first < 0xd800 || first > 0xdfff) return first;
        const std::string_view rest = in_;
        if (first > 0xdbff || !in_.starts_with("\\u")) return 0xfffd;
        in_.remove_prefix(2);
        const char32_t second = code_unit();
        if (second >= 0xdc00 && second <= 0xdfff) return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        in_ = rest;  // a character of its own
        return 0xfffd;
    }
    char32_t code_unit() {
        std::uint32_t value = 0;
        const std::string_view digits = in_.substr(0, 4);
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (ec != std::errc{} || end != digits.data() + 4) return fail(), U'\0';
        in_.remove_prefix(4);
        return value;
    }
    static void append_utf8(std::string& out, char32_t code) {
        const auto append = [&out](char32_t byte) { out += static_cast<char>(byte); };
        if (code < 0x80) return append(code);
        if (code >= 0x10000) append(0xf0 | code >> 18), append(0x80 | (code >> 12 & 0x3f));
        if (code >= 0x800 && code < 0x10000) append(0xe0 | code >> 12);
        code >= 0x800 ? append(0x80 | (code >> 6 & 0x3f)) : append(0xc0 | code >> 6);
        append(0x80 | (code & 0x3f));
    }

    std::string_view in_;
    bool failed_ = false;
};

/// The last string where these names lead, {"choices", "delta", "content"} say, arrays being looked through; nothing if
/// there is none, or `document` is no JSON.
inline std::optional<std::string> last_text(std::string_view document, std::initializer_list<std::string_view> names) {
    reader in{document};
    std::optional<std::string> last;
    in.find({names.begin(), names.size()}, [&last](std::string text) { last = std::move(text); });
    return in.complete() ? last : std::nullopt;
}

}  // namespace json
