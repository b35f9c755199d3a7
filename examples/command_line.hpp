// SPDX-License-Identifier: BSL-1.0
#pragma once

// A program's arguments, one after the other.

#include <charconv>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Reads arguments from the front. Anything unexpected makes it fail, and it stays failed.
class command_line {
public:
    command_line(int argc, char** argv) : arguments_(argv + 1, argv + argc) {}

    bool failed() const noexcept { return failed_; }
    void fail() noexcept {
        failed_ = true;
        next_ = arguments_.size();
    }

    /// Nothing is left.
    bool empty() const noexcept { return next_ == arguments_.size(); }
    /// The next argument: an option's name, what follows one, or something else.
    std::string text() {
        if (empty()) return fail(), std::string{};
        return std::string{arguments_[next_++]};
    }
    template <std::unsigned_integral Number>
    void number(Number& into) {
        const std::string digits = text();
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
        if (ec != std::errc{} || end != digits.data() + digits.size()) fail();
    }
    /// A header field as curl has them: "Name: value".
    std::pair<std::string, std::string> field() {
        const std::string line = text();
        const std::size_t colon = line.find(':');
        if (colon == line.npos) return fail(), std::pair<std::string, std::string>{};
        const std::size_t value = line.find_first_not_of(" \t", colon + 1);
        return {line.substr(0, colon), value == line.npos ? std::string{} : line.substr(value)};
    }

private:
    std::vector<std::string_view> arguments_;
    std::size_t next_ = 0;
    bool failed_ = false;
};
