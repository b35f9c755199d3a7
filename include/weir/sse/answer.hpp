// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the answer to a request for an event stream means to the client. Layer: protocol.
// WHATWG HTML, server-sent events, "the EventSource constructor"; RFC 9110 §10.2.3

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/redirect.hpp>
#include <weir/http/response_parser.hpp>
#include <weir/time.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace weir::sse {

/// What a client does after an answer.
enum class answer_kind : std::uint8_t {
    stream,    ///< what follows is an event stream
    redirect,  ///< the same question is to be asked elsewhere: see http::follow_redirect()
    stop,      ///< the server asks the client not to come back
    refusal,   ///< no stream, and by the standard no other attempt either
};

/// What an answer means.
struct answer {
    answer_kind kind = answer_kind::stream;  ///< what the client does next
    /// Of a refusal unexpected_status or not_event_stream; of stop stop_requested.
    weir::error error = weir::error::none;
};

/// Judges an answer by its status and its Content-Type. It is final: not 1xx, except 101.
constexpr answer judge_answer(const http::response_view& response);

/// Whether Content-Type says that it is an event stream. Parameters say nothing: the stream is UTF-8 whatever they
/// claim.
constexpr bool is_event_stream(const http::fields_view& fields);

/// Whether a refusal is one that may pass by itself: 429, 500, 502, 503, 504. Of no account in the standard.
constexpr bool may_pass(int status) noexcept {
    return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/// Retry-After, in seconds; more than milliseconds holds is milliseconds::max(). Empty: there is none, or it is a date,
/// which only a clock could tell the meaning of.
constexpr std::optional<milliseconds> retry_after(const http::fields_view& fields) noexcept;

constexpr answer judge_answer(const http::response_view& response) {
    if (http::is_redirect(response.status)) return {answer_kind::redirect};
    // "Clients will reconnect if the connection is closed; a client can be told to stop reconnecting using the HTTP 204
    // No Content response code."
    if (response.status == 204) return {answer_kind::stop, error::stop_requested};
    if (response.status != 200) return {answer_kind::refusal, error::unexpected_status};
    if (!is_event_stream(response.fields)) return {answer_kind::refusal, error::not_event_stream};
    return {answer_kind::stream};
}

constexpr bool is_event_stream(const http::fields_view& fields) {
    // Two of them are a list, as is one with a comma: browsers take neither.
    if (fields.count("Content-Type") != 1) return false;
    const auto value = *fields.find("Content-Type");
    auto rest = value;
    if (http::take_until(rest, ',').size() != value.size()) return false;
    const auto essence = http::trim_ows(value.substr(0, value.find(';')));
    return http::equal_ignoring_case(essence, "text/event-stream");
}

constexpr std::optional<milliseconds> retry_after(const http::fields_view& fields) noexcept {
    const auto value = fields.find("Retry-After").value_or(std::string_view{});
    if (value.empty()) return std::nullopt;
    constexpr auto most = std::numeric_limits<milliseconds::rep>::max() / 1000;
    milliseconds::rep seconds = 0;
    for (const char c : value) {
        if (!http::is_digit(c)) return std::nullopt;
        const auto digit = c - '0';
        seconds = seconds > (most - digit) / 10 ? most : seconds * 10 + digit;
    }
    return seconds == most ? milliseconds::max() : milliseconds{seconds * 1000};
}

}  // namespace weir::sse
