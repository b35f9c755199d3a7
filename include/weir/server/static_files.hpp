// SPDX-License-Identifier: BSL-1.0
#pragma once

// Files of a directory as responses: enough for a page, no more. Layer: server. RFC 9110 §13.1.2

#include <weir/http/fields.hpp>
#include <weir/http/media_type.hpp>
#include <weir/http/message.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir::detail {

/// Answers requests with the regular files below a directory; "index.html" stands for the directory itself. What lies
/// outside, behind a symbolic link too, is not found. Files are read whole, at once: meant for pages, not for films.
class static_files {
public:
    explicit static_files(const std::filesystem::path& directory) { root_ = std::filesystem::canonical(directory); }

    /// `path`: relative to the directory, decoded by decode_path().
    http::response answer(const http::request& request, std::string_view path) const {
        const std::filesystem::path name = name_of(path);
        std::error_code ec;
        const auto file = std::filesystem::canonical(root_ / name, ec);
        if (ec || root_.empty() || !is_inside(file) || !std::filesystem::is_regular_file(file, ec)) return not_found();
        const std::string tag = entity_tag(file);
        if (has_it_already(request, tag)) {
            return {.status = 304, .fields = {{"ETag", tag}, {"Cache-Control", "no-cache"}}};
        }
        std::ifstream in{file, std::ios::binary};
        if (!in) return not_found();
        return {.body = {std::istreambuf_iterator<char>{in}, {}},
                .content_type = std::string{http::media_type_of(name.string())},
                .fields = {{"ETag", tag}, {"Cache-Control", "no-cache"}, {"X-Content-Type-Options", "nosniff"}}};
    }

private:
    static http::response not_found() { return {.status = 404, .body = "404 Not Found\n"}; }

    static std::filesystem::path name_of(std::string_view path) {
        while (path.starts_with('/')) path.remove_prefix(1);
        std::string name{path};
        if (name.empty() || name.ends_with('/')) name += "index.html";
        return name;
    }

    bool is_inside(const std::filesystem::path& file) const {
        const auto relative = file.lexically_relative(root_);
        return !relative.empty() && *relative.begin() != "..";
    }

    // "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match": proxies that
    // compress make our tags weak. RFC 9110 §13.1.2
    static bool has_it_already(const http::request& request, std::string_view tag) {
        bool has = false;
        request.view().fields.for_each_element("If-None-Match", [&](std::string_view known) {
            if (known.starts_with("W/")) known.remove_prefix(2);
            has = known == tag || known == "*";
            return !has;
        });
        return has;
    }

    // Changes with every edit that changes the file's time or size.
    static std::string entity_tag(const std::filesystem::path& file) {
        std::error_code ec;
        // Of another size in each standard library.
        const auto time =
            static_cast<std::int64_t>(std::filesystem::last_write_time(file, ec).time_since_epoch().count());
        const auto size = std::filesystem::file_size(file, ec);
        return '"' + std::to_string(time) + '-' + std::to_string(size) + '"';
    }

    std::filesystem::path root_;
};

}  // namespace weir::detail
