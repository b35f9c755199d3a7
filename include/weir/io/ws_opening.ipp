// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of ws_opening.hpp.

#include <weir/io/ws_opening.hpp>
#include <weir/ws/handshake_fields.hpp>
#include <weir/ws/masking_keys.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace weir::detail {

WEIR_INLINE client_opening::client_opening(ws_connect_options options, const ws::deflate_options* deflate)
    : options_(std::move(options)), key_(ws::make_key(ws::random_nonce())) {
    for (const std::string& name : options_.subprotocols) subprotocols_.push_back(name);
    for (const auto& [name, value] : options_.fields) fields_.push_back({name, value});
    wire_ = {.subprotocols = subprotocols_, .extra_fields = fields_, .deflate = deflate};
}

WEIR_INLINE ws::upgrade_request_result client_opening::request(std::string_view authority,
                                                               std::string_view target) const {
    return ws::upgrade_request(authority, target, key_, wire_);
}

WEIR_INLINE ws::connect_result client_opening::check(const http::response_view& response) const {
    return ws::check_response(response, key_, wire_);
}

}  // namespace weir::detail
