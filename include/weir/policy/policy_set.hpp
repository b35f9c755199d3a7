// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session's policies: given in any order, each recognised by the concept it satisfies. Layer: policy.

#include <weir/policy/backpressure.hpp>
#include <weir/policy/framing.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/message_framing.hpp>
#include <weir/policy/observer.hpp>
#include <weir/policy/stall.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weir {

/// Something a session can be built with. One type may be several policies at once.
template <class Policy>
concept session_policy = backpressure_policy<Policy> || heartbeat_policy<Policy> || stall_policy<Policy> ||
                         framing_policy<Policy> || message_framing_policy<Policy> || observer_policy<Policy>;

namespace detail {

template <class Policy>
struct is_backpressure : std::bool_constant<backpressure_policy<Policy>> {};
template <class Policy>
struct is_heartbeat : std::bool_constant<heartbeat_policy<Policy>> {};
template <class Policy>
struct is_stall : std::bool_constant<stall_policy<Policy>> {};
template <class Policy>
struct is_framing : std::bool_constant<framing_policy<Policy>> {};
template <class Policy>
struct is_message_framing : std::bool_constant<message_framing_policy<Policy>> {};
template <class Policy>
struct is_observer : std::bool_constant<observer_policy<Policy>> {};

// A policy that was meant as one and misses its concept by a `const` or a `noexcept`.
template <class Policy>
inline constexpr bool is_nearly_backpressure =
    std::is_invocable_r_v<admission, Policy&, const outbox_facts&> && !backpressure_policy<Policy>;
template <class Policy>
inline constexpr bool is_nearly_heartbeat =
    std::is_invocable_r_v<heartbeat_decision, Policy&, const liveness&> && !heartbeat_policy<Policy>;
template <class Policy>
inline constexpr bool is_nearly_stall =
    std::is_invocable_r_v<stall_decision, Policy&, const progress&> && !stall_policy<Policy>;
template <class Policy>
inline constexpr bool is_nearly_observer =
    std::is_invocable_v<Policy&, const session_closed&> && !observer_policy<Policy>;

template <template <class> class Is, class... Policies>
inline constexpr std::size_t count_of = (std::size_t{0} + ... + (Is<Policies>::value ? 1 : 0));

template <template <class> class Is, class... Policies>
constexpr std::size_t index_of() noexcept {
    std::size_t i = 0;
    static_cast<void>(((Is<Policies>::value ? true : (++i, false)) || ...));
    return i;
}

}  // namespace detail

/// Holds the policies given, and the default for each kind that was not.
template <class... Policies>
class policy_set {
    static_assert((!detail::is_nearly_backpressure<Policies> && ...),
                  "a backpressure policy's operator() must be const and noexcept, and return weir::admission");
    static_assert((!detail::is_nearly_heartbeat<Policies> && ...),
                  "a heartbeat policy's operator() must be const and noexcept");
    static_assert((!detail::is_nearly_stall<Policies> && ...),
                  "a stall policy's operator() must be const and noexcept");
    static_assert((!detail::is_nearly_observer<Policies> && ...),
                  "an observer must take every observation of policy/observer.hpp, and be noexcept; "
                  "operator()(const auto&) takes the rest");
    static_assert((session_policy<Policies> && ...), "every argument after the stream must be a policy");
    static_assert(detail::count_of<detail::is_backpressure, Policies...> <= 1, "two backpressure policies");
    static_assert(detail::count_of<detail::is_heartbeat, Policies...> <= 1, "two heartbeat policies");
    static_assert(detail::count_of<detail::is_stall, Policies...> <= 1, "two stall policies");
    static_assert(detail::count_of<detail::is_framing, Policies...> <= 1, "two framing policies");
    static_assert(detail::count_of<detail::is_message_framing, Policies...> <= 1, "two message framing policies");
    static_assert(detail::count_of<detail::is_observer, Policies...> <= 1, "two observers");

public:
    /// Of policies in any order, at most one of each kind.
    explicit policy_set(Policies... policies) : given_(std::move(policies)...) {}

    /// The one given, or wait.
    decltype(auto) backpressure() const noexcept { return pick<detail::is_backpressure, wait>(given_); }
    /// Whether messages must remember their keys for the backpressure policy.
    bool by_key() const noexcept { return conflates_by_key(backpressure()); }
    /// `Default`: what the protocol does where none was given.
    template <class Default = comment_every>
    decltype(auto) heartbeat() const noexcept {
        return pick<detail::is_heartbeat, Default>(given_);
    }
    /// The one given, or stall_after.
    decltype(auto) stall() const noexcept { return pick<detail::is_stall, stall_after>(given_); }
    /// The one given, or chunk_framing.
    decltype(auto) framing() const noexcept { return pick<detail::is_framing, chunk_framing>(given_); }
    /// The one given, or plain_frames.
    decltype(auto) message_framing() const noexcept { return pick<detail::is_message_framing, plain_frames>(given_); }
    /// The one given, or no_observer.
    decltype(auto) observer() noexcept { return pick<detail::is_observer, no_observer>(given_); }

private:
    template <template <class> class Is, class Default, class Given>
    static decltype(auto) pick(Given& given) noexcept {
        constexpr std::size_t index = detail::index_of<Is, Policies...>();
        if constexpr (index < sizeof...(Policies)) {
            return (std::get<index>(given));
        } else {
            return Default{};
        }
    }

    [[no_unique_address]] std::tuple<Policies...> given_;
};

}  // namespace weir
