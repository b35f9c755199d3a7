// SPDX-License-Identifier: BSL-1.0
#pragma once

// What stands in for Asio's cancellation slots where it has none: the names and meanings are Asio's. Layer: io.

#include <weir/config.hpp>

#include WEIR_ASIO(associated_allocator.hpp)
#include WEIR_ASIO(associated_executor.hpp)
#include WEIR_ASIO(async_result.hpp)
#include WEIR_ASIO(this_coro.hpp)

#include <functional>
#include <type_traits>
#include <utility>

namespace weir::detail::own_cancellation {

enum class cancellation_type : unsigned { none = 0, terminal = 1, partial = 2, total = 4, all = ~0U };

constexpr cancellation_type operator&(cancellation_type a, cancellation_type b) noexcept {
    return static_cast<cancellation_type>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}

/// Refers to a signal, which has to live longer, or to none.
class cancellation_slot {
public:
    using handler_type = std::function<void(cancellation_type)>;

    constexpr cancellation_slot() noexcept = default;
    explicit cancellation_slot(handler_type& handler) noexcept : handler_(&handler) {}

    bool is_connected() const noexcept { return handler_ != nullptr; }
    bool has_handler() const noexcept { return handler_ != nullptr && *handler_; }
    void assign(handler_type handler) { *handler_ = std::move(handler); }
    void clear() noexcept {
        if (handler_ != nullptr) *handler_ = nullptr;
    }

private:
    handler_type* handler_ = nullptr;
};

class cancellation_signal {
public:
    cancellation_signal() = default;
    cancellation_signal(const cancellation_signal&) = delete;
    cancellation_signal& operator=(const cancellation_signal&) = delete;

    cancellation_slot slot() noexcept { return cancellation_slot{handler_}; }
    void emit(cancellation_type type) {
        const auto during = handler_;  // it may clear the slot
        if (during) during(type);
    }

private:
    cancellation_slot::handler_type handler_;
};

template <class Handler>
using associated_cancellation_slot_t = cancellation_slot;

template <class Handler>
cancellation_slot get_associated_cancellation_slot(const Handler& handler) noexcept {
    if constexpr (requires { cancellation_slot{handler.get_cancellation_slot()}; }) {
        return handler.get_cancellation_slot();
    } else {
        return {};
    }
}

/// A handler, or a completion token, with a slot.
template <class Target>
class slot_binder {
public:
    using allocator_type = net::associated_allocator_t<Target>;
    using cancellation_slot_type = cancellation_slot;

    slot_binder(cancellation_slot slot, Target target) : slot_(slot), target_(std::move(target)) {}

    allocator_type get_allocator() const noexcept { return net::get_associated_allocator(target_); }
    cancellation_slot get_cancellation_slot() const noexcept { return slot_; }
    Target& get() noexcept { return target_; }
    const Target& get() const noexcept { return target_; }

    template <class... Args>
    void operator()(Args&&... args) {
        std::move(target_)(std::forward<Args>(args)...);
    }

private:
    cancellation_slot slot_;
    Target target_;
};

template <class Target>
slot_binder<std::decay_t<Target>> bind_cancellation_slot(cancellation_slot slot, Target&& target) {
    return {slot, std::forward<Target>(target)};
}

}  // namespace weir::detail::own_cancellation

namespace weir::detail::own_cancellation::this_coro {

/// To be awaited, without effect: a coroutine is never cancelled.
constexpr net::this_coro::executor_t throw_if_cancelled(bool) noexcept { return {}; }

}  // namespace weir::detail::own_cancellation::this_coro

// The executor is the target's, and the default is whatever the operation says.
template <class Target, class Executor>
struct weir::net::associated_executor<weir::detail::own_cancellation::slot_binder<Target>, Executor> {
    using type = weir::net::associated_executor_t<Target, Executor>;
    static type get(const weir::detail::own_cancellation::slot_binder<Target>& binder,
                    const Executor& otherwise = {}) noexcept {
        return weir::net::get_associated_executor(binder.get(), otherwise);
    }
};

template <class Token, class Signature>
class weir::net::async_result<weir::detail::own_cancellation::slot_binder<Token>, Signature> {
public:
    template <class Initiation, class Binder, class... Args>
    static auto initiate(Initiation&& initiation, Binder&& binder, Args&&... args) {
        auto with_slot = [begin = std::forward<Initiation>(initiation), slot = binder.get_cancellation_slot()](
                             auto&& handler, auto&&... rest) mutable {
            std::move(begin)(
                weir::detail::own_cancellation::bind_cancellation_slot(slot, std::forward<decltype(handler)>(handler)),
                std::forward<decltype(rest)>(rest)...);
        };
        return weir::net::async_initiate<Token, Signature>(std::move(with_slot), binder.get(),
                                                           std::forward<Args>(args)...);
    }
};
