// SPDX-License-Identifier: BSL-1.0

#include <weir/io/counted_ptr.hpp>

#include <type_traits>
#include <utility>

#include "catch.hpp"

namespace {

using weir::detail::counted_ptr;
using weir::detail::reference_count;

struct base {
    explicit base(int& lives_) : lives(lives_) { ++lives; }
    virtual ~base() { --lives; }

    void add_reference() noexcept { references.add(); }
    void drop_reference() noexcept {
        if (references.drop()) delete this;
    }

    reference_count references;
    int& lives;
};

struct derived : base {
    using base::base;
};

static_assert(std::is_nothrow_move_constructible_v<counted_ptr<base>>);
static_assert(!std::is_convertible_v<counted_ptr<base>, counted_ptr<derived>>);

}  // namespace

TEST_CASE("counted_ptr: the last reference destroys the object", "[io][counted_ptr]") {
    int lives = 0;
    counted_ptr first{new derived{lives}};
    counted_ptr<base> second = first;
    CHECK(second.get() == first.get());
    counted_ptr<base> third{std::move(second)};
    CHECK_FALSE(second);
    first = {};
    CHECK(lives == 1);
    auto& same = third;
    third = same;
    CHECK(lives == 1);
    third = counted_ptr<base>{new base{lives}};
    CHECK(lives == 1);
    third = {};
    CHECK(lives == 0);
}

TEST_CASE("counted_ptr: a reference can be handed on by hand", "[io][counted_ptr]") {
    int lives = 0;
    base* const object = counted_ptr{new base{lives}}.release();
    CHECK(lives == 1);
    {
        const auto adopted = counted_ptr<base>::adopt(object);
    }
    CHECK(lives == 0);
    CHECK_FALSE(counted_ptr<base>{nullptr});
}

TEST_CASE("reference count: an object that is being destroyed is not referred to again", "[io][counted_ptr]") {
    reference_count count;
    CHECK_FALSE(count.add_if_any());
    count.add();
    CHECK(count.add_if_any());
    CHECK_FALSE(count.drop());
    CHECK(count.drop());
    CHECK_FALSE(count.add_if_any());
}
