// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a request to the 101 that begins a WebSocket, or to the response that refuses it. Layer: protocol.
// RFC 6455 §4.2, §10.2; RFC 7692 §5.1; RFC 9110 §7.8, §15.5.22

#include <weir/error.hpp>
#include <weir/http/authority.hpp>
#include <weir/http/body_framing.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/origin.hpp>
#include <weir/http/request_view.hpp>
#include <weir/http/response.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/deflate_offer.hpp>
#include <weir/ws/handshake_fields.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::ws {

/// How a route accepts WebSockets. Owns nothing: the texts are needed until handshake() returns.
struct accept_options {
    /// Origins whose pages may connect, as browsers send them: "https://app.example". Compared exactly. The request's
    /// own host is always allowed, and so is a request without Origin, which no browser sends. "null" is what any page
    /// can take on, and "*" allows every page: cookies come along, so that page then acts as the user.
    std::span<const std::string_view> allowed_origins = {};

    /// The subprotocols that are spoken, the preferred one first. The first that the client offers is chosen. With none
    /// in common the connection goes on without one, as RFC 6455 has it; a browser that offered some ends it then.
    std::span<const std::string_view> subprotocols = {};

    /// Added to the 101: Set-Cookie, say. One that is the handshake's own or frames a body is error::bad_argument.
    std::span<const http::field_view> extra_fields = {};

    /// What is wanted of compression; null: none.
    const deflate_options* deflate = nullptr;

    bool keep_alive = true;  ///< false: a refusal announces `Connection: close`, whatever the client wants
};

/// What to do with a request.
struct handshake_result {
    /// none: send `response`, and frames from then on. Anything else: send `response`, which is complete, and that is
    /// all.
    weir::error refusal = weir::error::none;
    /// The head of the 101, with a 100 before it if the client waits for one; or the whole refusal.
    std::string response;
    /// The one that was chosen; empty: none.
    std::string subprotocol;
    /// Absent: nothing is compressed.
    std::optional<deflate_agreement> deflate;
    /// Whether the connection can carry another request after a refusal.
    bool keep_alive = false;
};

/// Answers the request for a WebSocket. Pure; what came behind the request's head are the first frames.
///
/// The request may be from anybody's parser, if that refuses what would make two readers see two requests: bare CR and
/// LF, folds, white space before the colon. Errors are in the result: method_not_allowed (for everything but GET),
/// bad_host, bad_upgrade (no Upgrade and Connection, or HTTP/1.0, in which they count for nothing), bad_content_length,
/// unsupported_coding, bad_body (also for a body that is well-formed), bad_websocket_version,
/// unsupported_websocket_version, bad_websocket_key, bad_subprotocol, bad_extension, origin_refused,
/// unsupported_version (for HTTP/2), and bad_argument for an extra field that cannot be sent.
inline handshake_result handshake(const http::request_view& request, const accept_options& options = {});

/// The subprotocol to speak: the first of `ours` that the fields offer; empty: none. Empty optional: an offer is
/// malformed, or none at all in a field that is there. RFC 6455 §4.2.2, §11.3.4
constexpr std::optional<std::string_view> choose_subprotocol(const http::fields_view& fields,
                                                             std::span<const std::string_view> ours) {
    constexpr std::string_view name = "Sec-WebSocket-Protocol";
    bool any = false, valid = true;
    auto best = ours.size();
    fields.for_each_element(name, [&](std::string_view offered) {
        any = true;
        valid = http::is_token(offered);
        const auto better = ours.first(best);
        best = static_cast<std::size_t>(std::find(better.begin(), better.end(), offered) - better.begin());
        return valid;
    });
    if (!valid || (!any && fields.contains(name))) return std::nullopt;
    return best < ours.size() ? ours[best] : std::string_view{};
}

namespace detail {

/// `version = DIGIT | (NZDIGIT DIGIT) | ("1" DIGIT DIGIT) | ("2" DIGIT DIGIT)`, limited to 255. RFC 6455 §4.3
constexpr bool is_version(std::string_view text) noexcept {
    if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return false;
    if (!std::all_of(text.begin(), text.end(), http::is_digit)) return false;
    return text.size() < 3 || text <= "255";
}

/// One handshake on its way.
class handshake_op {
public:
    handshake_op(const http::request_view& request, const accept_options& options) noexcept
        : request_{request}, options_{options} {}

    handshake_result run() {
        result_.refusal = decide();
        if (result_.refusal == error::none) {
            accept();
        } else {
            refuse();
        }
        return std::move(result_);
    }

private:
    error decide() {
        if (!extra_fields_are_sendable()) return error::bad_argument;
        if (is_http_2()) return error::unsupported_version;
        if (request_.method != "GET") return error::method_not_allowed;
        if (!asks_for_upgrade()) return error::bad_upgrade;
        if (!has_valid_host()) return error::bad_host;
        if (const auto e = check_body(); e != error::none) return e;
        if (const auto e = check_version(); e != error::none) return e;
        if (!has_valid_key()) return error::bad_websocket_key;
        if (!take_subprotocol()) return error::bad_subprotocol;
        if (!take_extension()) return error::bad_extension;
        return origin_is_allowed() ? error::none : error::origin_refused;
    }

    // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request." RFC 9110 §7.8
    bool asks_for_upgrade() const {
        return request_.version == http::version::http_1_1 && request_.fields.has_token("Upgrade", "websocket") &&
               request_.fields.has_token("Connection", "upgrade");
    }

    bool has_valid_host() const noexcept {
        if (request_.fields.count("Host") != 1) return false;
        return http::parse_authority(*request_.fields.find("Host")).has_value();
    }

    // Its bytes would be read as frames, and who sent them may not be who wrote them.
    error check_body() const {
        const auto [framing_error, framing] = http::request_body_framing(request_);
        if (framing_error != error::none) return framing_error;
        return framing.kind == http::body_kind::none ? error::none : error::bad_body;
    }

    // "The |Sec-WebSocket-Version| header field MUST NOT appear more than once in an HTTP request." RFC 6455 §11.3.5
    error check_version() const noexcept {
        const auto version = request_.fields.find("Sec-WebSocket-Version");
        if (request_.fields.count("Sec-WebSocket-Version") != 1) return error::bad_websocket_version;
        if (*version == protocol_version) return error::none;
        return is_version(*version) ? error::unsupported_websocket_version : error::bad_websocket_version;
    }

    bool has_valid_key() const noexcept {
        return request_.fields.count("Sec-WebSocket-Key") == 1 && is_key(*request_.fields.find("Sec-WebSocket-Key"));
    }

    bool take_subprotocol() {
        const auto chosen = choose_subprotocol(request_.fields, options_.subprotocols);
        if (chosen) result_.subprotocol = *chosen;
        return chosen.has_value();
    }

    bool take_extension() {
        auto deflate = answer_deflate_offers(request_.fields, options_.deflate);
        result_.deflate = deflate.agreement;
        extension_ = std::move(deflate.answer);
        return deflate.error == error::none;
    }

    bool origin_is_allowed() const noexcept {
        const auto& list = options_.allowed_origins;
        if (http::classify_origin(request_, list) != http::origin_kind::foreign) return true;
        return std::find(list.begin(), list.end(), "*") != list.end();
    }

    void accept() {
        const auto answer = accept_value(*request_.fields.find("Sec-WebSocket-Key"));
        add("Upgrade", "websocket");
        add("Connection", "Upgrade");
        add("Sec-WebSocket-Accept", answer);
        if (!result_.subprotocol.empty()) add("Sec-WebSocket-Protocol", result_.subprotocol);
        if (!extension_.empty()) add("Sec-WebSocket-Extensions", extension_);
        for (const auto& field : options_.extra_fields) fields_.push_back(field);

        // "A server that receives both an Upgrade and an Expect header field with the "100-continue" expectation MUST
        // send a 100 (Continue) response before sending a 101 (Switching Protocols) response." RFC 9110 §7.8
        if (request_.expects_continue()) result_.response = "HTTP/1.1 100 Continue\r\n\r\n";
        if (http::append_head(result_.response, 101, fields_) == error::none) return;
        result_.response.clear();
        fields_.clear();
        result_.refusal = error::bad_argument;  // a subprotocol of ours
        refuse();
    }

    void refuse() {
        const auto why = result_.refusal;
        result_.subprotocol.clear();
        result_.deflate.reset();
        result_.keep_alive = can_keep_alive();
        if (why == error::method_not_allowed) add("Allow", "GET");
        // "The server MUST send an Upgrade header field in a 426 response", and with it a Connection that names it.
        // RFC 9110 §15.5.22, §7.8
        if (http_status_for(why) == 426) {
            add("Upgrade", "websocket");
            add("Connection", "Upgrade");
        }
        if (why == error::bad_upgrade || why == error::bad_websocket_version ||
            why == error::unsupported_websocket_version) {
            add("Sec-WebSocket-Version", protocol_version);
        }
        const bool close = !result_.keep_alive && !is_http_2();
        result_.response =
            http::error_response(why, fields_, {.keep_alive = !close, .head_only = request_.method == "HEAD"});
    }

    // Not with a body, since nobody here reads it, nor if it is not certain where the request ends.
    bool can_keep_alive() const {
        const auto [framing_error, framing] = http::request_body_framing(request_);
        return options_.keep_alive && request_.version != http::version::http_1_0 && request_.keep_alive() &&
               framing_error == error::none && framing.kind == http::body_kind::none;
    }

    bool extra_fields_are_sendable() const noexcept {
        return std::all_of(options_.extra_fields.begin(), options_.extra_fields.end(), [](const auto& field) {
            return http::is_sendable(field) && !is_handshake_field(field.name);
        });
    }

    void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }

    bool is_http_2() const noexcept { return request_.version == http::version::http_2; }

    const http::request_view& request_;
    const accept_options& options_;
    std::string extension_;
    std::vector<http::field_view> fields_;
    handshake_result result_;
};

}  // namespace detail

inline handshake_result handshake(const http::request_view& request, const accept_options& options) {
    return detail::handshake_op{request, options}.run();
}

}  // namespace weir::ws
