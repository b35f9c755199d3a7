// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the short lives of streams have in common that are broken at every step: a wire with a fault, and a record of
// what every operation came to.

#include <weir/error.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "support/memory_stream.hpp"
#include "support/virtual_context.hpp"

namespace test {

/// What one operation came to.
struct outcome {
    std::string_view of;
    int calls = 0;
    weir::error_code ec, reason;
};

/// How the streams are set up, and what goes wrong.
struct script {
    fault what = fault::none;
    int at = 0;
    std::size_t capacity = wire::unlimited;
};

struct stream_life {
    explicit stream_life(const script& s) {
        wire->what = s.what;
        wire->fault_at = s.at;
        wire->capacity = s.capacity;
    }

    /// A handler for any operation, remembered under that name.
    auto handler(std::string_view of) {
        outcomes.push_back(std::make_unique<outcome>(outcome{of, 0, {}, {}}));
        return [this, o = outcomes.back().get()](weir::error_code ec, auto... more) {
            ++o->calls;
            o->ec = ec;
            if constexpr (std::is_same_v<std::tuple<decltype(more)...>, std::tuple<weir::error_code>>) {
                o->reason = std::get<0>(std::tuple{more...});
            }
            ++completed;
        };
    }
    /// The outcome of the first operation, which waits for the end.
    const outcome& closed() const { return *outcomes.front(); }

    /// Whatever happened: everything is completed once, and nothing is left.
    void check_completed() {
        CHECK(completed == outcomes.size());
        for (const auto& o : outcomes) {
            INFO(o->of);
            CHECK(o->calls == 1);
        }
        CHECK(wire->closed);
        CHECK(context->loop().next_due() == weir::never);
        CHECK(context->idle());
    }

    std::shared_ptr<test::wire> wire = std::make_shared<test::wire>();
    std::optional<virtual_context> context{std::in_place};
    std::vector<std::unique_ptr<outcome>> outcomes;
    std::size_t completed = 0;
    int action = 0;
};

}  // namespace test
