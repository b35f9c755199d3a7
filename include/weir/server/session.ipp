// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is compiled of session.hpp: the server's sessions.

#include <weir/server/session.hpp>

namespace weir::detail {

WEIR_COMPILED_HERE(class stream_io<sse_session, server_stream>);
WEIR_COMPILED_HERE(class stream_io<ws_session, server_stream>);
WEIR_COMPILED_HERE(class sse_core<server_stream, route_policies>);
WEIR_COMPILED_HERE(class ws_core<server_stream, route_policies>);
WEIR_COMPILED_HERE(void post_completion(coroutine_handler<error_code>, const server_stream::executor_type&,
                                        error_code));

}  // namespace weir::detail
