// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the adapters hand to a host that writes its responses itself. Layer: adapt.

#include <weir/http/grammar.hpp>
#include <weir/http/response_parser.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace weir::adapt {

/// A response that a handshake has written, taken apart again: its status, the fields that are not the host's own
/// affair, and what follows the head.
class host_response {
public:
    /// `whole`: the response as sse::handshake() or ws::handshake() wrote it.
    explicit host_response(std::string whole) : text_(std::move(whole)) { static_cast<void>(parser_.parse(text_)); }
    host_response(const host_response&) = delete;
    host_response& operator=(const host_response&) = delete;

    /// The status code.
    int status() const noexcept { return parser_.response().status; }
    /// Behind the head: the first block of an event stream, or the text of a refusal.
    std::string_view body() const noexcept { return std::string_view{text_}.substr(parser_.head_size()); }

    /// `add(name, value)` for each field but those that type and frame the response, which is the host's part.
    template <class Add>
    void for_each_field(Add&& add) const {
        for (const auto& [name, value] : parser_.response().fields) {
            bool hosts = false;
            for (const std::string_view own : {"Content-Type", "Content-Length", "Transfer-Encoding", "Connection"}) {
                hosts = hosts || http::equal_ignoring_case(name, own);
            }
            if (!hosts) add(name, value);
        }
    }

private:
    std::string text_;
    http::response_parser parser_{{.max_head_bytes = 0, .max_fields = 0}};  // it is our own
};

}  // namespace weir::adapt
