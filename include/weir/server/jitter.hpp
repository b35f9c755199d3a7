// SPDX-License-Identifier: BSL-1.0
#pragma once

// Random times, so that clients do not come back in step. Layer: server.

#include <weir/sse/encoder.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <random>
#include <string>

namespace weir::detail {

/// A time from 0 to `most`, evenly spread; 0 if that is not positive.
inline milliseconds random_up_to(milliseconds most) {
    thread_local std::minstd_rand source{std::random_device{}()};
    std::uniform_int_distribution<milliseconds::rep> spread{0, std::max<milliseconds::rep>(0, most.count())};
    return milliseconds{spread(source)};
}

/// Asks an event stream's client to come back after a random time of up to `over`.
inline std::string retry_message(sse::framing framing, milliseconds over) {
    std::string text;
    sse::append(sse::retry_encoder{random_up_to(over), framing}, text);
    return text;
}

}  // namespace weir::detail
