// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is compiled of session.hpp: the server's sessions.

#include <weir/server/session.hpp>

namespace weir::detail {

WEIR_COMPILED_HERE(class stream_io<sse_session, server_stream>);
WEIR_COMPILED_HERE(class stream_io<ws_session, server_stream>);
WEIR_COMPILED_HERE(class sse_core<server_stream, route_policies>);
WEIR_COMPILED_HERE(class ws_core<server_stream, route_policies>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::send, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::drained, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::sleep, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_HERE(class waiter_op<waiter::kind::ended, coroutine_handler<error_code>, server_stream::executor_type>);
WEIR_COMPILED_HERE(
    class waiter_op<waiter::kind::closed, coroutine_handler<error_code, error_code>, server_stream::executor_type>);
WEIR_COMPILED_HERE(
    class waiter_op<waiter::kind::receive, coroutine_handler<error_code, std::optional<ws::message_view>>,
                    server_stream::executor_type>);

}  // namespace weir::detail
