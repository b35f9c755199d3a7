// SPDX-License-Identifier: BSL-1.0
#pragma once

// The turn of an event loop in which its subscribers get what was published; hub_shard declares it. Layer: session.

#include <weir/config.hpp>
#include <weir/session/hub_shard.hpp>

#include WEIR_BODIES(weir/session/fan_out.ipp)
