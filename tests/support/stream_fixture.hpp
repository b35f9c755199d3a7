// SPDX-License-Identifier: BSL-1.0
#pragma once

// An sse_stream on a wire, and what came of the last operation on it.

#include <weir/sse_stream.hpp>

#include "support/memory_stream.hpp"
#include "support/session_fixture.hpp"

namespace test {

struct stream_fixture : session_fixture {
    /// A stream that is silent unless it is told to speak.
    auto make(auto... policies) {
        return weir::sse_stream{direct_memory_stream<>{context.context(), wire}, weir::no_heartbeat{}, policies...};
    }
    /// The same, begun without a head.
    auto open(auto... policies) {
        auto out = make(policies...);
        out.begin(weir::sse::framing::plain);
        return out;
    }
};

}  // namespace test
