// SPDX-License-Identifier: BSL-1.0
#pragma once

// A handler of a wait, of any type. Layer: server.

#include <weir/config.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace weir::detail {

/// A move-only function of signature void(error_code), called at most once. One that captures a pointer needs no
/// memory. Empty after it was moved from or called.
class ready_handler {
public:
    ready_handler() = default;
    template <class Handler>
        requires(!std::is_same_v<std::decay_t<Handler>, ready_handler>)
    explicit ready_handler(Handler&& handler) {
        using type = std::decay_t<Handler>;
        if constexpr (is_small<type>) {
            ::new (static_cast<void*>(&storage_)) type(std::forward<Handler>(handler));
        } else {
            ::new (static_cast<void*>(&storage_)) type*(new type(std::forward<Handler>(handler)));
        }
        operations_ = &operations_for<type>;
    }
    ready_handler(ready_handler&& other) noexcept : operations_(std::exchange(other.operations_, nullptr)) {
        if (operations_ != nullptr) operations_->move(other.storage_, storage_);
    }
    ready_handler& operator=(ready_handler&& other) noexcept {
        if (this == &other) return *this;
        this->~ready_handler();
        return *::new (static_cast<void*>(this)) ready_handler(std::move(other));
    }
    ~ready_handler() {
        if (operations_ != nullptr) operations_->destroy(storage_);
    }

    explicit operator bool() const noexcept { return operations_ != nullptr; }

    void operator()(error_code ec) { std::exchange(operations_, nullptr)->call(storage_, ec); }

private:
    struct alignas(void*) storage {
        std::byte bytes[sizeof(void*)];
    };
    struct operations {
        void (*call)(storage&, error_code);  // and destroys
        void (*move)(storage& from, storage& to) noexcept;
        void (*destroy)(storage&) noexcept;
    };

    template <class Handler>
    static constexpr bool is_small = sizeof(Handler) <= sizeof(storage) && alignof(Handler) <= alignof(storage) &&
                                     std::is_nothrow_move_constructible_v<Handler>;

    template <class Handler>
    static Handler& stored(storage& in) noexcept {
        if constexpr (is_small<Handler>) {
            return *std::launder(reinterpret_cast<Handler*>(&in));
        } else {
            return **std::launder(reinterpret_cast<Handler**>(&in));
        }
    }
    template <class Handler>
    static void call(storage& in, error_code ec) {
        Handler handler{std::move(stored<Handler>(in))};
        destroy<Handler>(in);
        std::move(handler)(ec);
    }
    template <class Handler>
    static void move(storage& from, storage& to) noexcept {
        if constexpr (is_small<Handler>) {
            ::new (static_cast<void*>(&to)) Handler(std::move(stored<Handler>(from)));
            destroy<Handler>(from);
        } else {
            to = from;
        }
    }
    template <class Handler>
    static void destroy(storage& in) noexcept {
        if constexpr (is_small<Handler>) {
            stored<Handler>(in).~Handler();
        } else {
            delete &stored<Handler>(in);
        }
    }
    template <class Handler>
    static constexpr operations operations_for{&call<Handler>, &move<Handler>, &destroy<Handler>};

    storage storage_;
    const operations* operations_ = nullptr;
};

}  // namespace weir::detail
