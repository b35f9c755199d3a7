// SPDX-License-Identifier: BSL-1.0
#pragma once

// What can be said about one subscription. Layer: session.

#include <weir/policy/any_policy.hpp>
#include <weir/session/published_message.hpp>
#include <weir/sse/event.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// The id of the last message that a client has seen: its Last-Event-ID, or whatever token a WebSocket client brings. A
/// view; the text must outlive it. Any text is legal; one that is no id of the hub's counts as an id of another epoch.
class resume_token {
public:
    /// None: the client has seen nothing.
    constexpr resume_token() noexcept = default;
    template <std::convertible_to<std::string_view> Text>
    constexpr resume_token(const Text& text) noexcept : text_(text) {}
    /// What sse_stream::last_event_id() yields.
    constexpr resume_token(const event_id& id) noexcept : text_(id.text()) {}

    /// As it was given.
    constexpr std::string_view text() const noexcept { return text_; }
    /// Whether the client has seen nothing.
    constexpr bool empty() const noexcept { return text_.empty(); }

private:
    std::string_view text_;
};

/// What a subscriber was not sent.
struct skipped {
    std::uint64_t messages = 0;  ///< left out by the lag policy, or because their time to live was over
    bool lost = false;           ///< and others, nobody knows how many, which were not kept; `messages` may be 0 then
};

/// What a client is told of it.
struct skip_notice {
    event_name event{};  ///< empty: "message"
    std::string data{};  ///< of the event or message
};

/// What one subscriber wants beside topics.
struct subscribe_options {
    resume_token after{};  ///< what the client has seen; none: it gets what comes from now on
    /// Without an id: what is kept first, instead of beginning with what comes.
    bool from_oldest = false;
    /// What is not to be sent, although it is of a topic wanted. Called on the session's executor, in the middle of
    /// writing: it looks at the message and returns.
    std::function<bool(const published_message&)> filter{};
    std::optional<any_lag> lag{};  ///< what happens when the reader is slow; absent: as the hub's options say
    /// What the client is told in place of messages it is not sent, and after a gap; absent, or nothing: nothing. As
    /// `filter`; asked again, with what has come to it, until the notice is on its way.
    std::function<std::optional<skip_notice>(const skipped&)> on_skip{};
    /// Who this is: a member of the topics given by name, for as long as the subscription lasts. Copied; a session
    /// keeps the first name it was given. Empty: nobody.
    std::string_view member{};
};

}  // namespace weir
