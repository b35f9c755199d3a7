// SPDX-License-Identifier: BSL-1.0

#include <weir/session/spare.hpp>

#include "catch.hpp"

#include <memory>
#include <thread>

namespace {

struct counted {
    static inline int alive = 0;
    counted() { ++alive; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --alive; }
};
using spare = weir::detail::spare<counted>;

}  // namespace

TEST_CASE("spare: keeps one object for each thread, and no second one", "[session][spare]") {
    std::thread{[] {
        CHECK(spare::take() == nullptr);
        auto first = std::make_unique<counted>();
        const counted* const kept = first.get();
        spare::put(std::move(first));
        spare::put(std::make_unique<counted>());
        CHECK(counted::alive == 1);
        std::thread{[] { CHECK(spare::take() == nullptr); }}.join();
        CHECK(spare::take().get() == kept);
        CHECK(spare::take() == nullptr);
        spare::put(std::make_unique<counted>());
    }}.join();
    CHECK(counted::alive == 0);
}

TEST_CASE("spare: what comes when the thread is ending is destroyed", "[session][spare]") {
    struct late {
        std::unique_ptr<counted> object = std::make_unique<counted>();
        ~late() {
            spare::put(std::move(object));
            if (spare::take() != nullptr) counted::alive = 100;
        }
    };
    std::thread{[] {
        thread_local late outlives_the_slot;
        CHECK(outlives_the_slot.object != nullptr);
        spare::put(std::make_unique<counted>());
    }}.join();
    CHECK(counted::alive == 0);
}
