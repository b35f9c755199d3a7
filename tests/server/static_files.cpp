// SPDX-License-Identifier: BSL-1.0
#include <weir/server/static_files.hpp>

#include <weir/http/request_parser.hpp>

#include "catch.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "support/folder.hpp"

namespace fs = std::filesystem;
using weir::detail::static_files;

namespace {

weir::request request_with(std::string_view fields = {}) {
    const std::string head = "GET / HTTP/1.1\r\nHost: test\r\n" + std::string{fields} + "\r\n";
    weir::http::request_builder builder;
    REQUIRE(builder.parser().parse(head) == weir::http::request_parser::status::complete);
    REQUIRE(builder.set_head(head, "") == weir::error::none);
    return builder.get();
}

std::string field(const weir::response& r, std::string_view name) {
    for (const auto& [known, value] : r.fields) {
        if (known == name) return value;
    }
    return {};
}

int status_of(const static_files& files, std::string_view path) { return files.answer(request_with(), path).status; }

}  // namespace

TEST_CASE("static files: a file is answered with its bytes and its type", "[server][static_files]") {
    const test::folder root;
    root.write("page.html", "<p>\r\n");
    root.write("sub/style.css", "p{}");
    root.write("data.bin", std::string_view{"\0\xff\n", 3});
    root.write("empty.txt", "");
    const static_files files{root.path()};

    const auto page = files.answer(request_with(), "page.html");
    CHECK(page.status == 200);
    CHECK(page.body == "<p>\r\n");
    CHECK(page.content_type == "text/html; charset=utf-8");
    CHECK(field(page, "X-Content-Type-Options") == "nosniff");
    CHECK(field(page, "Cache-Control") == "no-cache");

    const auto style = files.answer(request_with(), "sub/style.css");
    CHECK(style.body == "p{}");
    CHECK(style.content_type == "text/css; charset=utf-8");
    const auto data = files.answer(request_with(), "data.bin");
    CHECK(data.body == std::string_view{"\0\xff\n", 3});
    CHECK(data.content_type == "application/octet-stream");
    const auto empty = files.answer(request_with(), "empty.txt");
    CHECK(empty.status == 200);
    CHECK(empty.body.empty());
}

TEST_CASE("static files: index.html stands for a directory", "[server][static_files]") {
    const test::folder root;
    root.write("index.html", "top");
    root.write("sub/index.html", "below");
    fs::create_directory(root.path() / "bare");
    const static_files files{root.path()};

    CHECK(files.answer(request_with(), "").body == "top");
    CHECK(files.answer(request_with(), "").content_type == "text/html; charset=utf-8");
    CHECK(files.answer(request_with(), "/").body == "top");
    CHECK(files.answer(request_with(), "sub/").body == "below");
    CHECK(status_of(files, "sub") == 404);
    CHECK(status_of(files, "bare") == 404);
    CHECK(status_of(files, "bare/") == 404);
    CHECK(status_of(files, "index.html/") == 404);
}

TEST_CASE("static files: what is not there, or no regular file, is not found", "[server][static_files]") {
    const test::folder root;
    root.write("a.txt", "a");
    REQUIRE(::mkfifo((root.path() / "pipe").c_str(), 0600) == 0);
    const static_files files{root.path()};
    CHECK(status_of(files, "b.txt") == 404);
    CHECK(status_of(files, "a.txt/b") == 404);
    CHECK(status_of(files, "pipe") == 404);
    CHECK(status_of(files, std::string(5000, 'x')) == 404);
    const auto missing = files.answer(request_with(), "b.txt");
    CHECK(missing.body == "404 Not Found\n");
    CHECK(field(missing, "ETag").empty());
}

TEST_CASE("static files: a directory that is not there is an error at once", "[server][static_files]") {
    const test::folder root;
    CHECK_THROWS_AS(static_files{root.path() / "nowhere"}, std::filesystem::filesystem_error);
}

// decode_path() refuses these before; the second fence is this one.
TEST_CASE("static files: nothing outside the directory is found", "[server][static_files]") {
    const test::folder outside;
    outside.write("secret.txt", "secret");
    outside.write("root/inside.txt", "inside");
    outside.write("root2/neighbour.txt", "neighbour");
    const static_files files{outside.path() / "root"};
    CHECK(status_of(files, "inside.txt") == 200);
    CHECK(status_of(files, "../secret.txt") == 404);
    CHECK(status_of(files, "/../secret.txt") == 404);
    CHECK(status_of(files, "x/../../secret.txt") == 404);
    CHECK(status_of(files, "../root2/neighbour.txt") == 404);
    CHECK(status_of(files, "..") == 404);
    CHECK(status_of(files, (outside.path() / "secret.txt").string()) == 404);
    CHECK(status_of(files, "//" + (outside.path() / "secret.txt").string()) == 404);
}

TEST_CASE("static files: a symbolic link is followed within the directory only", "[server][static_files]") {
    const test::folder outside;
    outside.write("secret.txt", "secret");
    outside.write("root/inside.txt", "inside");
    const fs::path root = outside.path() / "root";
    fs::create_symlink(outside.path() / "secret.txt", root / "out.txt");
    fs::create_directory_symlink(outside.path(), root / "up");
    fs::create_symlink("inside.txt", root / "latest.html");
    fs::create_symlink("nowhere", root / "dangling");
    fs::create_symlink("loop", root / "loop");
    const static_files files{root};
    CHECK(status_of(files, "out.txt") == 404);
    CHECK(status_of(files, "up/secret.txt") == 404);
    CHECK(status_of(files, "up/root/inside.txt") == 200);
    CHECK(status_of(files, "dangling") == 404);
    CHECK(status_of(files, "loop") == 404);

    const auto latest = files.answer(request_with(), "latest.html");
    CHECK(latest.body == "inside");
    CHECK(latest.content_type == "text/html; charset=utf-8");
}

TEST_CASE("static files: the directory itself may be a symbolic link", "[server][static_files]") {
    const test::folder outside;
    outside.write("real/a.txt", "a");
    fs::create_directory_symlink(outside.path() / "real", outside.path() / "link");
    const static_files files{outside.path() / "link"};
    CHECK(files.answer(request_with(), "a.txt").body == "a");
}

TEST_CASE("RFC 9110 13.1.2: who has the file already is told so", "[server][static_files]") {
    const test::folder root;
    root.write("a.txt", "one");
    const static_files files{root.path()};
    const std::string tag = field(files.answer(request_with(), "a.txt"), "ETag");
    REQUIRE(tag.size() > 2);
    CHECK(tag.front() == '"');
    CHECK(tag.back() == '"');
    const auto asked = [&](const std::string& value) {
        return files.answer(request_with("If-None-Match: " + value + "\r\n"), "a.txt");
    };

    const auto same = asked(tag);
    CHECK(same.status == 304);
    CHECK(same.body.empty());
    CHECK(field(same, "ETag") == tag);
    // "the server generating a 304 response MUST generate any of the following header fields that would have been sent
    // in a 200 (OK) response to the same request: ... Cache-Control". RFC 9110 §15.4.5
    CHECK(field(same, "Cache-Control") == "no-cache");
    // "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match".
    CHECK(asked("W/" + tag).status == 304);
    CHECK(asked("\"x\", " + tag).status == 304);
    CHECK(asked("\"a,b\", W/" + tag + ", \"y\"").status == 304);
    CHECK(asked("*").status == 304);
    CHECK(asked("\"x\"").status == 200);
    CHECK(asked("").status == 200);
    CHECK(asked(tag.substr(1, tag.size() - 2)).status == 200);

    root.write("a.txt", "other");
    const auto changed = asked(tag);
    CHECK(changed.status == 200);
    CHECK(changed.body == "other");
    CHECK(field(changed, "ETag") != tag);
    CHECK(files.answer(request_with("If-None-Match: *\r\n"), "missing").status == 404);
}
