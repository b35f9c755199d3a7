// SPDX-License-Identifier: BSL-1.0
#pragma once

// Parses a request head: a strict scan of our own, then llhttp for the grammar. Layer: protocol. RFC 9112
//
// head_scanner finds the head's end and refuses bad bytes at once; llhttp then runs a single time over the complete
// head, so that its spans are whole and point into the caller's buffer. A head is accepted only if both agree on it.

#include <weir/error.hpp>
#include <weir/http/authority.hpp>
#include <weir/http/body_framing.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/http/request_view.hpp>

#include <llhttp.h>

#include <cstddef>
#include <string_view>
#include <vector>

namespace weir::http {

/// Parses one request head out of a growing buffer, in time linear in its size. Move-only, since the request refers to
/// storage of the parser. Not thread-safe.
class request_parser {
public:
    /// Parses heads within those limits.
    explicit request_parser(head_limits limits = {}) noexcept : limits_{limits}, scanner_{limits} {}
    request_parser(request_parser&&) noexcept = default;
    request_parser& operator=(request_parser&&) noexcept = default;

    /// What parse() returns.
    enum class status {
        need_more,  ///< the head goes on
        complete,   ///< the head is whole
        failed,     ///< see error()
    };

    /// `received`: everything since the first byte of the head; call again with more appended; it may have moved.
    /// After `complete` or `failed`, call reset() before the next head.
    status parse(std::string_view received);

    /// Why parsing failed; http_status_for() says what the peer is told. The connection cannot be used any further.
    weir::error error() const noexcept { return error_; }

    /// Size of the head, in bytes; what follows in `received` is prefetched: a body, frames, the next request.
    std::size_t head_size() const noexcept { return scanner_.head_size(); }

    /// The request: views into the `received` of the completing call and into this parser, valid until either goes.
    const request_view& request() const noexcept { return request_; }

    /// How the body is delimited.
    body_framing body() const noexcept { return body_; }
    /// See request_view.
    bool keep_alive() const { return request_.keep_alive(); }
    /// See request_view.
    bool expects_continue() const { return request_.expects_continue(); }

    /// Makes ready for the next head of the connection; memory is kept.
    void reset() noexcept {
        scanner_ = head_scanner{limits_};
        fields_.clear();
        request_ = {};
        body_ = {};
        error_ = weir::error::none;
    }

private:
    weir::error finish(std::string_view head);
    weir::error run_llhttp(std::string_view head);
    weir::error check_target() const noexcept;
    weir::error check_host() const noexcept;

    head_limits limits_;
    head_scanner scanner_;
    std::vector<field_view> fields_;
    request_view request_;
    body_framing body_;
    weir::error error_ = weir::error::none;
};

namespace detail {

/// What llhttp reports about one head, as views of that head.
struct llhttp_collector {
    std::string_view target;
    std::vector<field_view>& fields;

    static llhttp_collector& of(llhttp_t* parser) noexcept { return *static_cast<llhttp_collector*>(parser->data); }

    static int on_url(llhttp_t* parser, const char* at, std::size_t size) {
        of(parser).target = {at, size};
        return HPE_OK;
    }
    static int on_header_field(llhttp_t* parser, const char* at, std::size_t size) {
        auto& fields = of(parser).fields;
        if (fields.size() == fields.capacity()) return HPE_USER;  // reserved beforehand: nothing throws through C code
        fields.push_back({{at, size}, {}});
        return HPE_OK;
    }
    static int on_header_value(llhttp_t* parser, const char* at, std::size_t size) {
        of(parser).fields.back().value = trim_ows({at, size});
        return HPE_OK;
    }
    // The head is all we ask for: stop before llhttp acts on a body or an upgrade.
    static int on_headers_complete(llhttp_t*) { return HPE_PAUSED; }
};

inline const llhttp_settings_t& llhttp_head_settings() noexcept {
    static const auto settings = [] {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_url = &llhttp_collector::on_url;
        s.on_header_field = &llhttp_collector::on_header_field;
        s.on_header_value = &llhttp_collector::on_header_value;
        s.on_headers_complete = &llhttp_collector::on_headers_complete;
        return s;
    }();
    return settings;
}

constexpr weir::error error_from_llhttp(llhttp_errno_t code) noexcept {
    switch (code) {
        case HPE_INVALID_METHOD: return weir::error::unsupported_method;
        case HPE_INVALID_URL:
        case HPE_INVALID_CONSTANT: return weir::error::bad_request_line;
        case HPE_INVALID_VERSION: return weir::error::unsupported_version;
        case HPE_INVALID_CONTENT_LENGTH:
        case HPE_UNEXPECTED_CONTENT_LENGTH: return weir::error::bad_content_length;
        case HPE_INVALID_TRANSFER_ENCODING: return weir::error::bad_body;
        default: return weir::error::bad_field;
    }
}

}  // namespace detail

inline request_parser::status request_parser::parse(std::string_view received) {
    switch (scanner_.scan(received)) {
        case head_scanner::status::need_more: return status::need_more;
        case head_scanner::status::failed: error_ = scanner_.error(); break;
        case head_scanner::status::complete: error_ = finish(received.substr(0, scanner_.head_size())); break;
    }
    if (error_ == weir::error::none) return status::complete;
    request_ = {};
    return status::failed;
}

inline weir::error request_parser::finish(std::string_view head) {
    request_.method = head.substr(scanner_.method_offset(), scanner_.target_offset() - 1 - scanner_.method_offset());
    request_.target = head.substr(scanner_.target_offset(), scanner_.target_size());
    request_.version = scanner_.version();
    if (const auto e = check_target(); e != weir::error::none) return e;
    if (const auto e = run_llhttp(head.substr(scanner_.method_offset())); e != weir::error::none) return e;
    request_.fields = fields_view{fields_};
    if (const auto e = check_host(); e != weir::error::none) return e;
    const auto [framing_error, framing] = request_body_framing(request_);
    body_ = framing;
    return framing_error;
}

inline weir::error request_parser::run_llhttp(std::string_view head) {
    fields_.clear();
    fields_.reserve(scanner_.field_count());
    detail::llhttp_collector collector{.target = {}, .fields = fields_};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &detail::llhttp_head_settings());
    parser.data = &collector;

    const auto code = llhttp_execute(&parser, head.data(), head.size());
    if (code != HPE_PAUSED) return detail::error_from_llhttp(code);
    // Both readers must have seen the same head; no input is known that makes them differ.
    if (collector.target != request_.target) return weir::error::bad_request_line;
    if (fields_.size() != scanner_.field_count()) return weir::error::bad_field;
    return weir::error::none;
}

// Only the forms an origin server is sent: a path, an absolute http URI, or "*" for OPTIONS. RFC 9112 §3.2
inline weir::error request_parser::check_target() const noexcept {
    const auto target = request_.target;
    if (request_.method == "CONNECT") return weir::error::unsupported_method;  // we are no proxy
    if (target.find('#') != std::string_view::npos) return weir::error::bad_request_line;
    if (target.starts_with('/')) return weir::error::none;
    if (target == "*") return request_.method == "OPTIONS" ? weir::error::none : weir::error::bad_request_line;
    const bool absolute = !detail::after_scheme(target).empty() && parse_authority(request_.authority()).has_value();
    return absolute ? weir::error::none : weir::error::bad_request_line;
}

// "A server MUST respond with a 400 status code to any HTTP/1.1 request message that lacks a Host header field and to
// any request message that contains more than one Host header field line or a Host header field with an invalid field
// value." RFC 9112 §3.2
inline weir::error request_parser::check_host() const noexcept {
    const auto count = request_.fields.count("Host");
    if (count == 0) return request_.version == version::http_1_0 ? weir::error::none : weir::error::bad_host;
    if (count > 1 || !parse_authority(*request_.fields.find("Host"))) return weir::error::bad_host;
    return weir::error::none;
}

}  // namespace weir::http
