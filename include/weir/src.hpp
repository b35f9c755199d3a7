// SPDX-License-Identifier: BSL-1.0
#pragma once

// All that need not be inline, for the one file of a program that compiles it. Layer: public.
//
// With WEIR_SEPARATE_COMPILATION defined for the whole program the other headers declare, and this one defines: one
// file has the line `#include <weir/src.hpp>`. Without it this header does nothing that the others do not do
// themselves.

#include <weir/http/message.ipp>
#include <weir/io/loop.ipp>
#include <weir/io/session_handle.ipp>
#include <weir/io/sse_core.ipp>
#include <weir/io/ws_core.ipp>
#include <weir/io/ws_opening.ipp>
#include <weir/metrics.ipp>
#include <weir/server.ipp>
#include <weir/server/session.ipp>
#include <weir/session/fan_out.ipp>
#include <weir/session/hub_core.ipp>
#include <weir/session/hub_shard.ipp>
#include <weir/session/memory_store.ipp>
#include <weir/session/outbox.ipp>
#include <weir/session/session.ipp>
#include <weir/session/session_output.ipp>
#include <weir/session/session_writer.ipp>
#include <weir/session/sse_client_session.ipp>
#include <weir/session/subscriber.ipp>
#include <weir/session/topic_legs.ipp>
#include <weir/session/ws_client_session.ipp>
#include <weir/session/ws_sender.ipp>
#include <weir/session/ws_session.ipp>
#include <weir/sse/handshake.ipp>
#include <weir/ws/client_handshake.ipp>
#include <weir/ws/connection.ipp>
#include <weir/ws/deflate_offer.ipp>
#include <weir/ws/handshake.ipp>
#include <weir/ws/masking_keys.ipp>
#include <weir/ws/reader.ipp>
