// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of message.hpp.

#include <weir/http/grammar.hpp>
#include <weir/http/message.hpp>
#include <weir/http/request_parser.hpp>
#include <weir/http/response.hpp>
#include <weir/http/router.hpp>
#include <weir/http/target.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::http {

struct request::parsed : request::data {
    request_parser parser;
};

WEIR_INLINE request_builder::request_builder(head_limits limits) : built_(std::make_shared<request::parsed>()) {
    parser() = request_parser{limits};
}

WEIR_INLINE request_parser& request_builder::parser() noexcept { return static_cast<request::parsed&>(data()).parser; }

WEIR_INLINE error request_builder::set_head(std::string_view received, std::string_view remote_address) {
    auto& d = data();
    d.head = received.substr(0, parser().head_size());
    parser().reset();
    parser().parse(d.head);  // once more, so that the views refer to the text that stays
    d.view = parser().request();
    d.remote_address = remote_address;
    auto path = decode_path(d.view.path());
    if (!path) return error::bad_encoding;
    d.path = std::move(*path);
    return error::none;
}

WEIR_INLINE void request_builder::set_parameters(const std::vector<path_parameter>& parameters) {
    for (const auto& [name, value] : parameters) data().parameters.emplace_back(name, value);
}

WEIR_INLINE std::string serialize(const response& r, response_options options) {
    std::vector<field_view> fields;
    fields.reserve(r.fields.size());
    for (const auto& [name, value] : r.fields) {
        for (const std::string_view ours : {"Content-Length", "Transfer-Encoding", "Connection"}) {
            if (equal_ignoring_case(name, ours)) return error_response(500, {}, options);
        }
        fields.push_back({name, value});
    }
    return make_response(r.status, r.content_type, r.body, fields, options);
}

}  // namespace weir::http
