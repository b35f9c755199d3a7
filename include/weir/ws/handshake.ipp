// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of handshake.hpp.

#include <weir/http/authority.hpp>
#include <weir/http/body_framing.hpp>
#include <weir/http/origin.hpp>
#include <weir/http/response.hpp>
#include <weir/ws/handshake.hpp>
#include <weir/ws/handshake_fields.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::ws {
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

WEIR_INLINE handshake_result handshake(const http::request_view& request, const accept_options& options) {
    return detail::handshake_op{request, options}.run();
}

}  // namespace weir::ws
