// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of deflate_offer.hpp.

#include <weir/ws/deflate_offer.hpp>

namespace weir::ws {

WEIR_INLINE deflate_result answer_deflate_offers(const http::fields_view& request, const deflate_options* options) {
    deflate_result result;
    const bool valid = for_each_extension(request, [&](const extension_view& extension) {
        if (options == nullptr || result.agreement) return;
        const auto offer = detail::parse_deflate(extension, role::client);
        if (!offer) return;
        const auto answer = detail::answer_to(*offer, *options);
        result.agreement = detail::agree(*offer, answer);
        result.answer = detail::deflate_text(answer);
    });
    if (!valid) return {.error = error::bad_extension};
    return result;
}

WEIR_INLINE std::string deflate_offer(const deflate_options& options) {
    return detail::deflate_text(detail::offer_of(options));
}

WEIR_INLINE deflate_result check_deflate_answer(const http::fields_view& response, const deflate_options* options) {
    deflate_result result;
    const bool valid = for_each_extension(response, [&](const extension_view& extension) {
        const auto answer = detail::parse_deflate(extension, role::server);
        const bool expected = options != nullptr && !result.agreement && answer;
        if (expected) result.agreement = detail::agree(detail::offer_of(*options), *answer);
        if (!expected || !result.agreement) result.error = error::bad_extension;
    });
    if (!valid || result.error != error::none) return {.error = error::bad_extension};
    return result;
}

}  // namespace weir::ws
