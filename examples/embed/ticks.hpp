// SPDX-License-Identifier: BSL-1.0
#pragma once

// What all these programs have to tell: numbers, one after the other.

#include <weir/http/request_view.hpp>
#include <weir/http/target.hpp>
#include <weir/sse/event.hpp>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

/// The numbers that a client is told: those behind the last it has seen. The request's query may ask for `count=N` of
/// them, and for `fast`: without a pause.
class ticks {
public:
    /// `target`: the request's, text of any kind.
    ticks(const auto& target, const weir::event_id& last_seen) : number_(last_seen.number().value_or(0)) {
        const weir::request_view request{.target = {target.data(), target.size()}};
        const auto count = weir::http::query_parameter(request.query(), "count");
        if (count) left_ = std::strtoull(count->c_str(), nullptr, 10);
        fast_ = weir::http::query_parameter(request.query(), "fast").has_value();
    }

    /// Goes to the next number; false: that was all.
    bool advance() {
        if (left_-- == 0) return false;
        text_ = std::to_string(++number_);
        return true;
    }
    weir::event_id id() const noexcept { return weir::event_id{number_}; }
    std::string_view text() const noexcept { return text_; }
    bool fast() const noexcept { return fast_; }

private:
    std::uint64_t number_, left_ = std::numeric_limits<std::uint64_t>::max();
    std::string text_;
    bool fast_ = false;
};
