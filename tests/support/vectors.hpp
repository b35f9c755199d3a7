// SPDX-License-Identifier: BSL-1.0
#pragma once

// The files of tests/vectors. The build says where they are.

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "json.hpp"

namespace test {

/// The vectors in a file of tests/vectors. Throws std::runtime_error where there is none.
inline json::value read_vectors(std::string_view file) {
    const std::string path = std::string{WEIR_TEST_VECTORS} + '/' + std::string{file};
    std::ifstream in{path, std::ios::binary};
    if (!in) throw std::runtime_error("no test vectors at " + path);
    return json::parse(std::string{std::istreambuf_iterator<char>{in}, {}});
}

}  // namespace test
