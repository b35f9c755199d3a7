// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes the request for an event stream. Layer: protocol. WHATWG HTML, server-sent events; RFC 9110 §12.5

#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/request_writer.hpp>
#include <weir/http/url.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::sse {

/// What a client asks for. Owns nothing.
struct client_request {
    std::string_view method = {};         ///< empty: GET, or POST where there is a body
    http::fields_view fields = {};        ///< one with the name of a default, Accept say, replaces it
    std::string_view body = {};           ///< empty: none
    std::string_view last_event_id = {};  ///< empty: none
    std::string_view coding = {};         ///< the content coding that the client understands; empty: none
};

/// A request as bytes.
struct client_request_result {
    weir::error error = weir::error::none;  ///< none, or what is wrong
    std::string text = {};                  ///< empty after an error
    /// There is an id, and it could not go along: it is longer than max_sent_last_event_id, or has a control character.
    bool last_event_id_left_out = false;
};

/// The longest id that is sent, in bytes. Servers refuse a head that is too large, and would do so for ever.
inline constexpr std::size_t max_sent_last_event_id = 4096;

/// The method that an empty one stands for.
constexpr std::string_view method_or_default(std::string_view method, std::string_view body) noexcept {
    if (!method.empty()) return method;
    return body.empty() ? "GET" : "POST";
}

/// Whether an id can be sent as a field's value.
constexpr bool is_sendable_id(std::string_view id) noexcept {
    return id.size() <= max_sent_last_event_id && http::is_field_value(id);
}

/// Writes head and body. Errors: bad_argument for what http::serialize_request() refuses, and for a Last-Event-ID among
/// the fields, which would contradict the client's own after a reconnect.
inline client_request_result serialize_client_request(const client_request& request, const http::url& to) {
    if (request.fields.contains("Last-Event-ID")) return {.error = error::bad_argument};
    std::vector<http::field_view> fields;
    const auto add_default = [&](std::string_view name, std::string_view value) {
        if (!request.fields.contains(name)) fields.push_back({name, value});
    };
    add_default("Accept", "text/event-stream");
    add_default("Cache-Control", "no-cache");
    if (!request.coding.empty()) add_default("Accept-Encoding", request.coding);
    // "If lastEventID is not the empty string [...] set `Last-Event-ID`/lastEventID, encoded as UTF-8"
    const bool sendable = is_sendable_id(request.last_event_id);
    if (sendable && !request.last_event_id.empty()) fields.push_back({"Last-Event-ID", request.last_event_id});
    fields.insert(fields.end(), request.fields.begin(), request.fields.end());

    auto written = http::serialize_request({.method = method_or_default(request.method, request.body),
                                            .authority = to.authority,
                                            .target = to.target,
                                            .fields = fields,
                                            .body = request.body});
    return {written.error, std::move(written.text), !sendable};
}

}  // namespace weir::sse
