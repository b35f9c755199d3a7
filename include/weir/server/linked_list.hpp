// SPDX-License-Identifier: BSL-1.0
#pragma once

// A list that its items are part of. Layer: server.

namespace weir::detail {

/// An intrusive list, so that being on it costs two pointers. Not thread-safe: one per event loop.
template <class T>
class linked_list {
public:
    class hook {
    public:
        hook() = default;
        hook(const hook&) = delete;
        hook& operator=(const hook&) = delete;

    protected:
        ~hook() = default;

    private:
        friend class linked_list;
        T* next_ = nullptr;
        T** link_ = nullptr;  // what points to this one
    };

    void add(T& item) noexcept {
        hook& h = item;
        h.next_ = first_;
        h.link_ = &first_;
        if (first_ != nullptr) static_cast<hook&>(*first_).link_ = &h.next_;
        first_ = &item;
    }

    static void remove(T& item) noexcept {
        hook& h = item;
        if (h.link_ == nullptr) return;
        *h.link_ = h.next_;
        if (h.next_ != nullptr) static_cast<hook&>(*h.next_).link_ = h.link_;
        h.link_ = nullptr;
    }

    /// `visit` may remove the item it is given.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (T* item = first_; item != nullptr;) {
            T* next = static_cast<hook&>(*item).next_;
            visit(*item);
            item = next;
        }
    }

private:
    T* first_ = nullptr;
};

}  // namespace weir::detail
