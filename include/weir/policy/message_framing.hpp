// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether a WebSocket compresses its messages: the concept, and the policy that does not. Layer: policy. RFC 7692

#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/deflate_offer.hpp>
#include <weir/ws/message_codec.hpp>

#include <concepts>
#include <memory>

namespace weir {

/// What is negotiated, and the codec for what has been agreed on. weir/deflate.hpp has the one that compresses.
template <class Policy>
concept message_framing_policy = requires(const Policy& policy, ws::role self, const ws::deflate_agreement& agreed) {
    { policy.deflate() } noexcept -> std::same_as<const ws::deflate_options*>;
    { policy.make_codec(self, agreed) } -> std::same_as<std::unique_ptr<ws::message_codec>>;
};

/// Nothing is compressed, and nothing of the kind is negotiated.
struct plain_frames {
    /// Nothing is to be negotiated.
    const ws::deflate_options* deflate() const noexcept { return nullptr; }
    /// There is no codec.
    std::unique_ptr<ws::message_codec> make_codec(ws::role, const ws::deflate_agreement&) const { return nullptr; }
};

static_assert(message_framing_policy<plain_frames>);

}  // namespace weir
