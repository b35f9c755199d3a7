// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a client of an event stream is told to do, apart from connecting. Layer: session.

#include <weir/http/content_decoder.hpp>
#include <weir/http/head_scanner.hpp>
#include <weir/policy/reconnect.hpp>
#include <weir/sse/decoder.hpp>
#include <weir/time.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir {

/// Where to connect again after a redirect.
enum class sse_reconnect_to : std::uint8_t {
    original_url,  ///< to the URL that the client was given
    final_url,     ///< with the method and the fields that the redirects have left, as long as the client lives
};

/// What is known of a failure, from the server or, where a request could not be sent, from here.
struct sse_failure {
    int status = 0;  ///< of the answer; 0: there was none
    /// Up to 8 KiB of the answer's body, or of the error event's data: the server's bytes. Or which part of the request
    /// cannot be sent.
    std::string text{};
};

namespace detail {

/// What sse_client_options says of each; the two have the same names for it.
struct sse_client_settings {
    std::string method{};
    std::vector<std::pair<std::string, std::string>> fields{};
    std::string body{};
    std::string last_event_id{};
    std::shared_ptr<const http::content_decoding> decoding{};
    any_reconnect reconnect = exponential_backoff{};
    milliseconds retry{3000};
    std::string end_marker{};
    std::string error_event{};
    sse_reconnect_to reconnect_to = sse_reconnect_to::original_url;
    unsigned max_redirects = 20;
    bool retry_server_errors = false;
    sse::decoder_limits limits{};
    http::head_limits head_limits{};
    std::uint64_t seed = 0;  ///< of what jitter is made of: another one for each client
};

}  // namespace detail
}  // namespace weir
