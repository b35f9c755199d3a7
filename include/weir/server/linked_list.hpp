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
        hook* next_ = nullptr;  // null: on no list
        hook* previous_ = nullptr;
    };

    linked_list() noexcept { ends_.next_ = ends_.previous_ = &ends_; }
    linked_list(const linked_list&) = delete;
    linked_list& operator=(const linked_list&) = delete;
    ~linked_list() = default;

    /// Behind all others.
    void add(T& item) noexcept {
        hook& h = item;
        h.next_ = &ends_;
        h.previous_ = ends_.previous_;
        h.previous_->next_ = ends_.previous_ = &h;
    }

    static void remove(T& item) noexcept {
        hook& h = item;
        if (h.next_ == nullptr) return;
        h.previous_->next_ = h.next_;
        h.next_->previous_ = h.previous_;
        h.next_ = h.previous_ = nullptr;
    }

    /// The first item, which becomes the last; null: there is none.
    T* rotate() noexcept {
        if (ends_.next_ == &ends_) return nullptr;
        T& first = static_cast<T&>(*ends_.next_);
        remove(first);
        add(first);
        return &first;
    }

    /// `visit` may remove the item it is given.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (hook* at = ends_.next_; at != &ends_;) {
            hook* const next = at->next_;
            visit(static_cast<T&>(*at));
            at = next;
        }
    }

private:
    hook ends_;  // before the first item and behind the last
};

}  // namespace weir::detail
