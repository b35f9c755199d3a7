// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of handshake.hpp.

#include <weir/http/accept.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/origin.hpp>
#include <weir/http/response.hpp>
#include <weir/http/target.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/utf8.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::sse {
namespace detail {

/// One handshake on its way: the facts that several steps need, and the fields gathered so far.
class handshake_op {
public:
    handshake_op(const http::request_view& request, const accept_options& options) noexcept
        : request_{request}, options_{options}, origin_{classify(request, options)} {}

    std::vector<http::field_view> cors_fields() {
        if (origin_is_refused()) return {};
        add_cors_fields();
        return std::move(fields_);
    }

    handshake_result run() {
        decide_framing();
        add_cors_fields();
        result_.refusal = decide();
        const bool accepted = result_.refusal == error::none || result_.refusal == error::no_body;
        if (!accepted)
            refuse(http_status_for(result_.refusal));
        else if (request_.method == "OPTIONS")
            answer_options();
        else
            begin_stream();
        return std::move(result_);
    }

private:
    error decide() const {
        if (!extra_fields_are_sendable()) return error::bad_argument;
        if (!method_is_allowed()) return error::method_not_allowed;
        if (origin_is_refused()) return error::origin_refused;
        if (request_.method == "OPTIONS") return error::no_body;
        if (options_.stop) return error::stop_requested;
        if (http::accepted_weight(request_.fields, "text", "event-stream") == 0) return error::not_acceptable;
        return request_.method == "HEAD" ? error::no_body : error::none;
    }

    bool method_is_allowed() const noexcept {
        if (request_.method == "GET" || request_.method == "HEAD") return options_.get;
        return request_.method == "OPTIONS" || (request_.method == "POST" && options_.post);
    }

    std::string_view allowed_methods() const noexcept {
        if (options_.get && options_.post) return "GET, HEAD, POST, OPTIONS";
        if (options_.get) return "GET, HEAD, OPTIONS";
        return options_.post ? "POST, OPTIONS" : "OPTIONS";
    }

    // "null" is what any page becomes in a sandboxed frame, so with credentials it would be another "*".
    static http::origin_kind classify(const http::request_view& request, const accept_options& options) noexcept {
        const auto kind = http::classify_origin(request, options.allowed_origins);
        const bool anyone = kind == http::origin_kind::listed && *request.fields.find("Origin") == "null";
        return anyone && options.allow_credentials ? http::origin_kind::foreign : kind;
    }

    // Never with credentials: a page of any origin could act as its reader.
    bool any_origin_is_allowed() const noexcept {
        const auto& list = options_.allowed_origins;
        return !options_.allow_credentials && std::find(list.begin(), list.end(), "*") != list.end();
    }

    bool origin_is_refused() const noexcept {
        const bool matters = !options_.allowed_origins.empty() || options_.post;
        return origin_ == http::origin_kind::foreign && matters && !any_origin_is_allowed();
    }

    // "A server MUST NOT send a response containing Transfer-Encoding unless the corresponding request indicates
    // HTTP/1.1 (or later minor revisions)", RFC 9112 §6.1, and HTTP/2 frames by itself.
    void decide_framing() noexcept {
        using http::version;
        const bool chunk = request_.version == version::http_1_1 && !options_.close_delimited;
        result_.body_framing = chunk ? framing::chunked : framing::plain;
        result_.keep_alive = options_.keep_alive && request_.version != version::http_1_0 && request_.keep_alive();
    }

    void add_cors_fields() {
        if (any_origin_is_allowed()) return add("Access-Control-Allow-Origin", "*");
        if (!options_.allowed_origins.empty()) add("Vary", "Origin");
        if (origin_ != http::origin_kind::listed) return;
        add("Access-Control-Allow-Origin", *request_.fields.find("Origin"));
        if (options_.allow_credentials) add("Access-Control-Allow-Credentials", "true");
    }

    // An OPTIONS request is a CORS preflight, or a plain question for the methods; both are answered alike.
    void answer_options() {
        add("Allow", allowed_methods());
        if (any_origin_is_allowed() || origin_ == http::origin_kind::listed) {
            add("Access-Control-Allow-Methods", allowed_methods());
            for (const std::string_view name : options_.allowed_headers) allowed_headers_.append(", ").append(name);
            add("Access-Control-Allow-Headers", allowed_headers_);
            add("Access-Control-Max-Age", "600");
        }
        respond(204);
    }

    void refuse(int status) {
        if (result_.refusal == error::bad_argument) fields_.clear();
        if (result_.refusal == error::method_not_allowed) add("Allow", allowed_methods());
        if (result_.refusal == error::not_acceptable) add("Vary", "Accept");
        respond(status);
    }

    void respond(int status) {
        result_.body_framing = framing::plain;
        const bool head_only = request_.method == "HEAD";
        result_.response = http::error_response(
            status, fields_, {.keep_alive = result_.keep_alive || is_http_2(), .head_only = head_only});
    }

    // For HEAD the same head and nothing after it. RFC 9110 §9.3.2
    void begin_stream() {
        const bool has_body = result_.refusal == error::none;
        const bool chunked = result_.body_framing == framing::chunked;
        add("Content-Type", "text/event-stream");
        add_default("Cache-Control", "no-cache, no-transform");
        add_default("X-Accel-Buffering", "no");
        add("Vary", "Accept");
        if (chunked) add("Transfer-Encoding", "chunked");
        if (!chunked && !is_http_2()) result_.keep_alive = false;
        if (!result_.keep_alive && !is_http_2()) add("Connection", "close");
        for (const auto& field : options_.extra_fields) fields_.push_back(field);

        if (http::append_head(result_.response, 200, fields_) != error::none) {
            result_.refusal = error::bad_argument;
            return refuse(500);
        }
        take_last_event_id();
        if (!has_body) return;
        append(comment_encoder{options_.first_comment, result_.body_framing}, result_.response);
        if (options_.retry) append(retry_encoder{*options_.retry, result_.body_framing}, result_.response);
    }

    // The field wins over the query even if it is not valid: what the query says is older. A browser keeps sending the
    // page's query for ever, and the field as soon as it has seen an id.
    void take_last_event_id() {
        const auto count = request_.fields.count("Last-Event-ID");
        if (count == 1) return take_id(std::string{*request_.fields.find("Last-Event-ID")});
        if (count > 1) return take_id(std::nullopt);
        for (const std::string_view name : {"last_event_id", "lastEventId"}) {
            std::optional<std::string_view> raw;
            http::for_each_parameter(request_.query(), [&](std::string_view key, std::string_view value) {
                if (key == name) raw = value;
                return !raw.has_value();
            });
            if (raw) return take_id(http::percent_decode(*raw, http::plus::space));
        }
    }

    // Empty optional: the client named an id that cannot be read.
    void take_id(std::optional<std::string> id) {
        const auto limit = options_.max_last_event_id_bytes;
        const bool valid = id && (limit == 0 || id->size() <= limit) && is_plain_utf8(*id);
        result_.last_event_id_refused = !valid;
        if (valid) result_.last_event_id = std::move(*id);
    }

    bool extra_fields_are_sendable() const noexcept {
        return std::all_of(options_.extra_fields.begin(), options_.extra_fields.end(), [&](const auto& field) {
            for (const std::string_view ours : {"Content-Type", "Content-Length", "Transfer-Encoding", "Connection"}) {
                if (http::equal_ignoring_case(field.name, ours)) return false;
            }
            const std::string_view cors = "Access-Control-Allow-";
            const bool is_cors = http::equal_ignoring_case(field.name.substr(0, cors.size()), cors);
            return http::is_sendable(field) && !(is_cors && !options_.allowed_origins.empty());
        });
    }

    void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }

    void add_default(std::string_view name, std::string_view value) {
        if (!http::fields_view{options_.extra_fields}.contains(name)) add(name, value);
    }

    bool is_http_2() const noexcept { return request_.version == http::version::http_2; }

    const http::request_view& request_;
    const accept_options& options_;
    http::origin_kind origin_;
    std::string allowed_headers_ = "Last-Event-ID, Authorization, Content-Type";
    std::vector<http::field_view> fields_;
    handshake_result result_;
};

}  // namespace detail

WEIR_INLINE std::vector<http::field_view> cors_fields(const http::request_view& request,
                                                      const accept_options& options) {
    return detail::handshake_op{request, options}.cors_fields();
}

WEIR_INLINE handshake_result handshake(const http::request_view& request, const accept_options& options) {
    return detail::handshake_op{request, options}.run();
}

}  // namespace weir::sse
