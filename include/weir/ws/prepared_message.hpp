// SPDX-License-Identifier: BSL-1.0
#pragma once

// A message encoded once for many connections. Layer: protocol. RFC 6455 §5.2

#include <weir/ws/frame.hpp>
#include <weir/ws/message.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace weir::ws {

/// An immutable message with its frame, as a server sends it uncompressed. Copies share it, on any thread.
class prepared_message {
public:
    /// One allocation and one copy.
    explicit prepared_message(message_view message) : binary_(message.is_binary()) {
        const frame_encoder frame{.code = binary_ ? opcode::binary : opcode::text, .payload = message.bytes()};
        auto wire = std::make_shared<std::string>(frame.size(), '\0');
        frame.write(wire->data());
        header_size_ = wire->size() - message.size();
        wire_ = std::move(wire);
    }

    /// What is in it. Valid as long as a copy of this lives.
    message_view message() const noexcept { return {wire().substr(header_size_), binary_}; }
    /// The whole frame, unmasked.
    std::string_view wire() const noexcept { return *wire_; }

    /// As an encoder of its own.
    std::size_t size() const noexcept { return wire_->size(); }
    /// Writes size() bytes, and returns the end.
    char* write(char* out) const noexcept { return out + wire_->copy(out, wire_->size()); }

private:
    std::shared_ptr<const std::string> wire_;
    std::size_t header_size_ = 0;
    bool binary_;
};

}  // namespace weir::ws
