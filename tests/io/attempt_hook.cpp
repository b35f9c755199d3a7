// SPDX-License-Identifier: BSL-1.0

#include <weir/io/attempt_hook.hpp>

#include <weir/error.hpp>

#include WEIR_ASIO(awaitable.hpp)
#include WEIR_ASIO(co_spawn.hpp)
#include WEIR_ASIO(io_context.hpp)
#include WEIR_ASIO(post.hpp)
#include WEIR_ASIO(use_awaitable.hpp)

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include "catch.hpp"

namespace {

namespace net = weir::net;
using weir::error_code;
using hook = weir::attempt_hook<std::string>;

/// What the hook has made of the text, and of the attempt.
struct outcome {
    std::string text;
    error_code ec;
};

outcome run(const hook& called) {
    net::io_context context;
    std::string text = "as it was";
    std::optional<error_code> result;
    net::co_spawn(context, called.run(text), [&](std::exception_ptr failure, error_code ec) {
        if (!failure) result = ec;
    });
    context.run();
    REQUIRE(result);
    return {text, *result};
}

}  // namespace

TEST_CASE("attempt_hook: none does nothing", "[io][attempt_hook]") {
    CHECK_FALSE(hook{});
    const outcome after = run(hook{});
    CHECK(after.text == "as it was");
    CHECK_FALSE(after.ec);
}

TEST_CASE("attempt_hook: a function is called", "[io][attempt_hook]") {
    const hook sets{[](std::string& text) { text = "new"; }};
    CHECK(sets);
    const outcome after = run(sets);
    CHECK(after.text == "new");
    CHECK_FALSE(after.ec);
}

TEST_CASE("attempt_hook: a coroutine is waited for", "[io][attempt_hook]") {
    const hook sets{[](std::string& text) -> net::awaitable<void> {
        co_await net::post(net::use_awaitable);
        text = "later";
    }};
    CHECK(sets);
    const outcome after = run(sets);
    CHECK(after.text == "later");
    CHECK_FALSE(after.ec);
}

TEST_CASE("attempt_hook: what it throws is why the attempt has failed", "[io][attempt_hook]") {
    const hook says_why{[](std::string&) { throw weir::system_error(weir::error::expired); }};
    CHECK(run(says_why).ec == weir::error::expired);
    const hook fails{[](std::string&) { throw std::runtime_error("anything else"); }};
    CHECK(run(fails).ec == weir::error::hook_failed);
    const hook fails_later{[](std::string&) -> net::awaitable<void> {
        co_await net::post(net::use_awaitable);
        throw std::runtime_error("anything else");
    }};
    CHECK(run(fails_later).ec == weir::error::hook_failed);
}
