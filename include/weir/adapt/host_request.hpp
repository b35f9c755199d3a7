// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the adapters make of a host's request. Layer: adapt.

#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/http/request_view.hpp>

#include <string_view>
#include <vector>

namespace weir::adapt {

/// A host's request as a request_view, which it is: the list of its fields is kept here, no text is copied.
/// Lifetime: the host's texts must outlive it, and it must outlive the copies of its request_view.
class host_request : public http::request_view {
public:
    /// Without fields yet: see add().
    host_request(std::string_view request_method, std::string_view request_target, http::version request_version)
        : request_view{request_method, request_target, request_version, {}} {}

    host_request(host_request&&) = default;  // the list stays where it is
    host_request& operator=(host_request&&) = default;

    /// Adds the next field line, without the white space around its value.
    void add(std::string_view name, std::string_view value) {
        lines_.push_back({name, http::trim_ows(value)});
        fields = lines_;
    }

private:
    std::vector<http::field_view> lines_;
};

}  // namespace weir::adapt
