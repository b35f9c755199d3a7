// SPDX-License-Identifier: BSL-1.0
#pragma once

// One attempt to get an event stream: what is asked, and where, through all redirects. Layer: session.
// RFC 9110 §15.4, WHATWG Fetch "HTTP-redirect fetch"

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/redirect.hpp>
#include <weir/http/reference.hpp>
#include <weir/http/request_writer.hpp>
#include <weir/http/response.hpp>
#include <weir/http/url.hpp>
#include <weir/sse/client_request.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// What is about to be asked. A hook may change all of it, for this attempt alone: the next begins with the options
/// again, and with the id of the last event.
struct sse_attempt {
    std::string url{};                                          ///< http:// or https://
    std::string method{};                                       ///< empty: GET, or POST where there is a body
    std::vector<std::pair<std::string, std::string>> fields{};  ///< added to the request
    std::string body{};                                         ///< empty: none
    /// Where the stream is to begin; the events without an id of their own have this one. Empty: not said.
    std::string last_event_id{};
    unsigned failures = 0;  ///< attempts and connections in a row that came to nothing, for information
    error_code reason{};    ///< why the last of them did

    /// Sets a field, in place of those of that name.
    void set(std::string_view name, std::string value) {
        std::erase_if(fields, [&](const auto& field) { return http::equal_ignoring_case(field.first, name); });
        fields.emplace_back(name, std::move(value));
    }
};

namespace detail {

/// What redirects have made of a request: once lost, nothing comes back.
struct redirect_effects {
    bool to_get = false;        ///< asks by GET, without a body and what describes it
    bool cross_origin = false;  ///< has only the fields that may go to another origin

    /// Takes from the attempt what is lost.
    void apply_to(sse_attempt& attempt) const;
    void add(redirect_effects more) noexcept {
        to_get = to_get || more.to_get;
        cross_origin = cross_origin || more.cross_origin;
    }
};

/// Which part of the attempt cannot be sent, for humans; empty: all can.
inline std::string fault_of(const sse_attempt& attempt) {
    const auto url = http::parse_url(attempt.url);
    if (!url || url->scheme.starts_with("ws")) return "no URL of http or https: " + attempt.url;
    for (const auto& [name, value] : attempt.fields) {
        const bool ours = http::is_reserved_field(name) || http::equal_ignoring_case(name, "Last-Event-ID");
        if (ours || !http::is_sendable({name, value})) return "a field that cannot be sent: " + name;
    }
    const bool sendable = attempt.method.empty() || (http::is_token(attempt.method) && attempt.method != "CONNECT");
    return sendable ? std::string{} : "a method that cannot be sent: " + attempt.method;
}

/// Where an attempt is, on its way. Not thread-safe.
class attempt_route {
public:
    /// Begins a way at the attempt's URL. Errors: bad_argument, for one that is malformed or of another scheme.
    error begin(sse_attempt attempt);

    /// Goes where an answer points. Errors: bad_redirect, too_many_redirects: the way ends here.
    error follow(int status, const http::fields_view& answer, unsigned max_redirects);

    /// Writes the request for where it is. `coding`: the content coding that is understood; empty: none.
    sse::client_request_result request(std::string_view coding) const;

    const http::url& where() const noexcept { return where_; }
    /// The method that is used here.
    std::string_view method() const noexcept { return sse::method_or_default(attempt_.method, attempt_.body); }
    redirect_effects effects() const noexcept { return effects_; }
    unsigned redirects() const noexcept { return redirects_; }

private:
    sse_attempt attempt_;
    http::url where_;
    redirect_effects effects_;
    unsigned redirects_ = 0;
};

inline void redirect_effects::apply_to(sse_attempt& attempt) const {
    std::erase_if(attempt.fields, [this](const auto& field) {
        return (cross_origin && !http::may_cross_origin(field.first)) || (to_get && http::describes_body(field.first));
    });
    if (!to_get) return;
    attempt.method = "GET";
    attempt.body.clear();
}

inline error attempt_route::begin(sse_attempt attempt) {
    auto parsed = http::parse_url(attempt.url);
    if (!parsed || parsed->scheme.starts_with("ws")) return error::bad_argument;
    where_ = *std::move(parsed);
    attempt_ = std::move(attempt);
    effects_ = {};
    redirects_ = 0;
    return error::none;
}

inline error attempt_route::follow(int status, const http::fields_view& answer, unsigned max_redirects) {
    auto next = http::follow_redirect(status, method(), where_, answer);
    if (next.error != error::none) return next.error;
    if (redirects_ == max_redirects) return error::too_many_redirects;
    ++redirects_;
    where_ = std::move(next.to);
    effects_.add({next.to_get, next.cross_origin});
    effects_.apply_to(attempt_);
    return error::none;
}

inline sse::client_request_result attempt_route::request(std::string_view coding) const {
    std::vector<http::field_view> fields;
    for (const auto& [name, value] : attempt_.fields) fields.push_back({name, value});
    return sse::serialize_client_request({.method = attempt_.method,
                                          .fields = fields,
                                          .body = attempt_.body,
                                          .last_event_id = attempt_.last_event_id,
                                          .coding = coding},
                                         where_);
}

}  // namespace detail
}  // namespace weir
