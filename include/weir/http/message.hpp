// SPDX-License-Identifier: BSL-1.0
#pragma once

// A whole request, owned, and a whole response: what handlers are given and what they answer. Layer: protocol.

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/cookie.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/http/request_view.hpp>
#include <weir/http/target.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::http {

class request_parser;
struct path_parameter;
struct response_options;

/// A request with its body. Immutable and cheap to copy: copies share the text. Every view it returns lives as long as
/// any copy.
class request {
public:
    /// Empty: no request has been read.
    request() : data_(std::make_shared<data>()) {}

    /// GET, POST and so on, as received; names are case-sensitive.
    std::string_view method() const noexcept { return data_->view.method; }
    /// As received: not decoded, with the query.
    std::string_view target() const noexcept { return data_->view.target; }
    /// Decoded, by decode_path().
    std::string_view path() const noexcept { return data_->path; }
    /// The whole body; empty: there is none.
    std::string_view body() const noexcept { return data_->body; }
    /// The peer's address, as text; behind a proxy, the proxy's.
    std::string_view remote_address() const noexcept { return data_->remote_address; }
    /// It came by https to this server; behind a proxy, from the proxy.
    bool is_secure() const noexcept { return data_->secure; }

    /// The value of a field, names in any case; empty: there is none.
    std::string_view header(std::string_view name) const noexcept {
        return data_->view.fields.find(name).value_or(std::string_view{});
    }
    /// What a `{name}` of the route's pattern stood for; empty: there is none.
    std::string_view param(std::string_view name) const noexcept {
        for (const auto& [known, value] : data_->parameters) {
            if (known == name) return value;
        }
        return {};
    }
    /// A query parameter, decoded; empty optional: there is none, or it is malformed.
    std::optional<std::string> query(std::string_view name) const { return query_parameter(data_->view.query(), name); }
    /// The value of a cookie, as it came; empty optional: there is none.
    std::optional<std::string_view> cookie(std::string_view name) const {
        return find_cookie(data_->view.fields, name);
    }

    /// The head, as handshakes take it.
    const request_view& view() const noexcept { return data_->view; }

private:
    friend class request_builder;

    struct parsed;  // derived from data; with the parser, whose fields the view refers to
    struct data {
        std::string head, path, body, remote_address;
        request_view view;
        std::vector<std::pair<std::string, std::string>> parameters;
        bool secure = false;
    };

    explicit request(std::shared_ptr<data> d) noexcept : data_(std::move(d)) {}

    std::shared_ptr<data> data_;
};

/// Puts a request together, for a server.
class request_builder {
public:
    /// Begins an empty request, whose head is held to `limits`.
    explicit request_builder(head_limits limits = {});

    /// What reads the head.
    request_parser& parser() noexcept;
    /// Where the body is collected.
    std::string& body() noexcept { return data().body; }

    /// Keeps the head, of which `parser()` has reported that it is complete.
    error set_head(std::string_view received, std::string_view remote_address);
    /// Keeps what the route's pattern has found.
    void set_parameters(const std::vector<path_parameter>& parameters);
    /// Says that it came by https.
    void set_secure(bool secure) noexcept { data().secure = secure; }

    /// The request as it is so far.
    const request& get() const noexcept { return built_; }

private:
    request::data& data() noexcept { return *built_.data_; }

    request built_;
};

/// What a handler answers. Content-Length, Connection and, for HEAD, the absence of a body are the server's business.
struct response {
    int status = 200;                                           ///< the status code, 200 to 599
    std::string body{};                                         ///< the text to send
    std::string content_type = "text/plain; charset=utf-8";     ///< of the body
    std::vector<std::pair<std::string, std::string>> fields{};  ///< accepted by is_sendable(), none of those
};

/// The response as bytes. A field that cannot be sent, or that would frame the response, makes it one of status 500.
std::string serialize(const response& r, response_options options);

}  // namespace weir::http

namespace weir {
using http::request;
using http::response;
}  // namespace weir

#include WEIR_BODIES(weir/http/message.ipp)
