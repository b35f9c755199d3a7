// SPDX-License-Identifier: BSL-1.0
#pragma once

// A directory of the test's own, with what is in it.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace test {

/// Empty at first, removed with everything in it at the end.
class folder {
public:
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "weir_test_XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory " + name);
        path_ = name;
    }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    ~folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const noexcept { return path_; }

    /// Writes a file, with the directories that lead to it.
    void write(const std::filesystem::path& name, std::string_view text) const {
        const std::filesystem::path file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream out{file, std::ios::binary};
        out << text;
        if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
    }

private:
    std::filesystem::path path_;
};

}  // namespace test
