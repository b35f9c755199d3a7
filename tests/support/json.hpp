// SPDX-License-Identifier: BSL-1.0
#pragma once

// A small JSON reader for test vectors. RFC 8259
//
//     const auto document = test::json::parse(text);
//     for (const auto& item : document.items()) use(item["name"].text(), item["retry"].is_null());

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace test::json {

/// One JSON value. Asking it for another type than it has throws, and so fails the test.
class value {
public:
    using array = std::vector<value>;
    using object = std::vector<std::pair<std::string, value>>;
    using any = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, array, object>;

    value() = default;  // null
    explicit value(any held) : held_{std::move(held)} {}

    bool is_null() const { return std::holds_alternative<std::nullptr_t>(held_); }
    bool is_text() const { return std::holds_alternative<std::string>(held_); }
    bool is_array() const { return std::holds_alternative<array>(held_); }

    bool boolean() const { return as<bool>(); }
    std::int64_t integer() const { return as<std::int64_t>(); }
    double real() const {
        return std::holds_alternative<double>(held_) ? as<double>() : static_cast<double>(integer());
    }
    const std::string& text() const { return as<std::string>(); }
    const array& items() const { return as<array>(); }
    const object& members() const { return as<object>(); }

    /// A member of an object; null where there is none.
    const value& operator[](std::string_view name) const {
        static const value null;
        for (const auto& [key, member] : members()) {
            if (key == name) return member;
        }
        return null;
    }

private:
    template <class T>
    const T& as() const {
        if (const T* held = std::get_if<T>(&held_)) return *held;
        throw std::runtime_error("json: a value is of another type");
    }

    any held_ = nullptr;
};

/// Reads one document. Throws std::runtime_error with the byte where it is malformed.
value parse(std::string_view text);

namespace detail {

class reader {
public:
    explicit reader(std::string_view text) : text_{text} {}

    value read_document() {
        value document = read_value();
        skip_space();
        if (at_ != text_.size()) fail("something after the document");
        return document;
    }

private:
    value read_value() {
        skip_space();
        switch (peek()) {
            case '{': return value{read_object()};
            case '[': return value{read_array()};
            case '"': return value{read_text()};
            case 't': return read_word("true", true);
            case 'f': return read_word("false", false);
            case 'n': return read_word("null", nullptr);
            default: return read_number();
        }
    }

    value::object read_object() {
        value::object members;
        expect('{');
        if (take('}')) return members;
        do {
            skip_space();
            std::string name = read_text();
            expect(':');
            members.emplace_back(std::move(name), read_value());
        } while (take(','));
        expect('}');
        return members;
    }

    value::array read_array() {
        value::array items;
        expect('[');
        if (take(']')) return items;
        do {
            items.push_back(read_value());
        } while (take(','));
        expect(']');
        return items;
    }

    std::string read_text() {
        std::string text;
        expect('"');
        for (char c = next(); c != '"'; c = next()) {
            if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
            if (c == '\\') {
                read_escape(text);
            } else {
                text += c;
            }
        }
        return text;
    }

    void read_escape(std::string& text) {
        switch (const char c = next()) {
            case 'b': text += '\b'; return;
            case 'f': text += '\f'; return;
            case 'n': text += '\n'; return;
            case 'r': text += '\r'; return;
            case 't': text += '\t'; return;
            case 'u': append_utf8(text, read_code_point()); return;
            case '"':
            case '\\':
            case '/': text += c; return;
            default: fail("unknown escape");
        }
    }

    std::uint32_t read_code_point() {
        const std::uint32_t first = read_unit();
        if (first < 0xd800 || first > 0xdfff) return first;
        if (first > 0xdbff || next() != '\\' || next() != 'u') fail("lone surrogate");
        const std::uint32_t second = read_unit();
        if (second < 0xdc00 || second > 0xdfff) fail("lone surrogate");
        return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    }

    std::uint32_t read_unit() {
        if (text_.size() - at_ < 4) fail("short escape");
        const char* const first = text_.data() + at_;
        std::uint32_t unit = 0;
        if (std::from_chars(first, first + 4, unit, 16).ptr != first + 4) fail("bad escape");
        at_ += 4;
        return unit;
    }

    static void append_utf8(std::string& text, std::uint32_t code) {
        const auto add = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
        if (code < 0x80) return add(code);
        if (code < 0x800) {
            add(0xc0 | code >> 6);
        } else if (code < 0x10000) {
            add(0xe0 | code >> 12);
            add(0x80 | (code >> 6 & 0x3f));
        } else {
            add(0xf0 | code >> 18);
            add(0x80 | (code >> 12 & 0x3f));
            add(0x80 | (code >> 6 & 0x3f));
        }
        add(0x80 | (code & 0x3f));
    }

    value read_number() {
        const std::size_t end = text_.find_first_not_of("+-.0123456789eE", at_);
        const std::string_view digits = text_.substr(at_, end - at_);
        const char* const last = digits.data() + digits.size();
        std::int64_t integer = 0;
        double real = 0;
        at_ += digits.size();
        if (const auto [ptr, ec] = std::from_chars(digits.data(), last, integer); ec == std::errc{} && ptr == last) {
            return value{integer};
        }
        if (const auto [ptr, ec] = std::from_chars(digits.data(), last, real); ec != std::errc{} || ptr != last) {
            fail("malformed value");
        }
        return value{real};
    }

    value read_word(std::string_view word, value::any meaning) {
        if (!text_.substr(at_).starts_with(word)) fail("malformed value");
        at_ += word.size();
        return value{std::move(meaning)};
    }

    void skip_space() {
        while (at_ < text_.size() && std::string_view{" \t\r\n"}.find(text_[at_]) != std::string_view::npos) ++at_;
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    char next() {
        if (at_ == text_.size()) fail("unexpected end");
        return text_[at_++];
    }

    bool take(char c) {
        skip_space();
        if (peek() != c) return false;
        ++at_;
        return true;
    }

    void expect(char c) {
        if (!take(c)) fail("another character expected");
    }

    [[noreturn]] void fail(const char* what) const {
        throw std::runtime_error("json: " + std::string{what} + " at byte " + std::to_string(at_));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace detail

inline value parse(std::string_view text) { return detail::reader{text}.read_document(); }

}  // namespace test::json
