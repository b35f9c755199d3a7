// SPDX-License-Identifier: BSL-1.0

// A main() for fuzz targets without libFuzzer, for any compiler: runs every input of a corpus, then mutations of them.
// The generator is seeded with a constant, so every run on every machine tries the same inputs.
//
//     fuzz_replay_<target> [--mutations N] <file or folder>...

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using input = std::vector<std::uint8_t>;

constexpr std::size_t default_mutations = 20'000;
constexpr std::size_t max_input_bytes = 64 * 1024;

/// The bytes at which parsers change their mind.
constexpr char telling_bytes[] = "\0\t\n\r \",:;=%/0aAf\x7f\x80\xbf\xc0\xef\xff";

void run(const input& bytes) { LLVMFuzzerTestOneInput(bytes.data(), bytes.size()); }

input read(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, std::istreambuf_iterator<char>{}};
}

/// The files in a folder, or the file itself; in the order of their names.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& path) {
    if (!std::filesystem::exists(path)) return {};
    if (!std::filesystem::is_directory(path)) return {path};
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{path})
        if (entry.is_regular_file()) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

class mutator {
public:
    explicit mutator(const std::vector<input>& corpus) : corpus_{corpus} {}

    /// One input of the corpus, changed in one to four places.
    input next() {
        input bytes = corpus_[below(corpus_.size())];
        for (auto changes = 1 + below(4); changes > 0; --changes) change(bytes);
        if (bytes.size() > max_input_bytes) bytes.resize(max_input_bytes);
        return bytes;
    }

private:
    // Not std::uniform_int_distribution: its results differ between standard libraries.
    std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random_() % bound); }

    static auto at(input& bytes, std::size_t index) { return bytes.begin() + static_cast<std::ptrdiff_t>(index); }

    void change(input& bytes) {
        const auto from = below(bytes.size() + 1);
        const auto count = std::min(below(16), bytes.size() - from);
        switch (below(6)) {
            case 0: flip(bytes); break;
            case 1: bytes.insert(at(bytes, from), telling_byte()); break;
            case 2: bytes.erase(at(bytes, from), at(bytes, from + count)); break;
            case 3: repeat(bytes, from, count); break;
            case 4: splice(bytes, from); break;
            case 5: std::fill_n(at(bytes, from), count, telling_byte()); break;
        }
    }

    std::uint8_t telling_byte() { return static_cast<std::uint8_t>(telling_bytes[below(std::size(telling_bytes))]); }

    void flip(input& bytes) {
        if (bytes.empty()) return;
        auto& byte = bytes[below(bytes.size())];
        byte = static_cast<std::uint8_t>(byte ^ (1U << below(8)));
    }

    void repeat(input& bytes, std::size_t from, std::size_t count) {
        const input piece{at(bytes, from), at(bytes, from + count)};
        for (auto times = below(8); times > 0; --times) bytes.insert(at(bytes, from), piece.begin(), piece.end());
    }

    /// The rest comes from another input.
    void splice(input& bytes, std::size_t from) {
        const auto& other = corpus_[below(corpus_.size())];
        bytes.resize(from);
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size() + 1)), other.end());
    }

    const std::vector<input>& corpus_;
    std::mt19937_64 random_{0x77656972};
};

}  // namespace

int main(int argc, char** argv) {
    std::size_t mutations = default_mutations;
    std::vector<input> corpus;
    for (int i = 1; i < argc; ++i) {
        if (std::string_view{argv[i]} == "--mutations" && i + 1 < argc) {
            mutations = std::strtoul(argv[++i], nullptr, 10);
            continue;
        }
        for (const auto& file : files_in(argv[i])) corpus.push_back(read(file));
    }

    const auto files = corpus.size();
    for (const auto& bytes : corpus) run(bytes);

    if (corpus.empty()) corpus.emplace_back();
    run({});
    mutator mutate{corpus};
    for (std::size_t i = 0; i < mutations; ++i) run(mutate.next());
    std::printf("%zu corpus files, %zu mutations\n", files, mutations);
}
