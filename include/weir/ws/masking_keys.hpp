// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a client's masking keys come from. Layer: protocol. RFC 6455 §5.3, §10.3

#include <weir/config.hpp>
#include <weir/ws/mask.hpp>

#include <array>
#include <cstddef>

namespace weir::ws {

/// Makes one masking key. "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// strong source of entropy", RFC 6455 §5.3.
using masking_key_source = masking_key (*)();

/// Sixteen bytes from the system's source of entropy: what a handshake's key is made of. Throws what
/// std::random_device throws where there is no such source.
std::array<std::byte, 16> random_nonce();

/// A key from the system's source of entropy. Throws as random_nonce().
masking_key random_masking_key();

}  // namespace weir::ws

#include WEIR_BODIES(weir/ws/masking_keys.ipp)
