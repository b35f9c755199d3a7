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

/// Asks an event stream's client to come back after 1 to 3 s. The load is spread by ending the streams over a time;
/// this is for those that end together. A client keeps the time and waits as long whenever it loses a connection, so it
/// is what browsers choose by themselves, "probably in the region of a few seconds" (WHATWG HTML §9.2.2): an outage of
/// a moment stays one, and a server that is not back yet is not hammered.
inline std::string retry_message(sse::framing framing) {
    constexpr milliseconds least{1'000}, most{3'000};
    std::string text;
    sse::append(sse::retry_encoder{least + random_up_to(most - least), framing}, text);
    return text;
}

}  // namespace weir::detail
