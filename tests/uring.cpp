// SPDX-License-Identifier: BSL-1.0
#include <weir/uring.hpp>

#include "catch.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using weir::as_bytes;
using weir::batched_write;
using weir::bytes_view;
using weir::uring_writes;
using weir::write_batch;

namespace {

using batch_ptr = std::unique_ptr<write_batch>;

// Both ends are blocking ones: it is the batch that must not wait.
class connection {
public:
    connection() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
        near_ = ends[0];
        far_ = ends[1];
    }
    connection(int near_end, int far_end) : near_(near_end), far_(far_end) {}
    connection(connection&& other) noexcept
        : near_(std::exchange(other.near_, -1)), far_(std::exchange(other.far_, -1)) {}
    connection& operator=(connection&&) = delete;
    ~connection() {
        if (near_ >= 0) ::close(near_);
        close_peer();
    }

    static connection tcp() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0), far_end = ::socket(AF_INET, SOCK_STREAM, 0);
        REQUIRE(::bind(listener, generic, size) == 0);
        REQUIRE(::listen(listener, 1) == 0);
        REQUIRE(::getsockname(listener, generic, &size) == 0);
        REQUIRE(::connect(far_end, generic, size) == 0);
        const int near_end = ::accept(listener, nullptr, nullptr);
        ::close(listener);
        return {near_end, far_end};
    }

    int descriptor() const noexcept { return near_; }
    void close_peer() noexcept {
        if (far_ >= 0) ::close(std::exchange(far_, -1));
    }

    /// What has come so far.
    std::string received() const {
        std::string all;
        std::array<char, 16'384> buffer;
        for (;;) {
            const auto n = ::recv(far_, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (n <= 0) return all;
            all.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }

    /// Waits for so much. A ring that has been closed interrupts the system calls of those who used it, now and then.
    std::string receive(std::size_t size) const {
        std::string all(size, '\0');
        std::size_t have = 0;
        while (have != size) {
            const auto n = ::recv(far_, all.data() + have, size - have, 0);
            if (n > 0) have += static_cast<std::size_t>(n);
            if (n == 0 || (n < 0 && errno != EINTR)) break;
        }
        all.resize(have);
        return all;
    }

private:
    int near_ = -1, far_ = -1;
};

// What the server's sockets wait for: an edge.
class writable_again {
public:
    explicit writable_again(int descriptor) {
        epoll_event event{};
        event.events = EPOLLOUT | EPOLLET;
        REQUIRE(::epoll_ctl(set_, EPOLL_CTL_ADD, descriptor, &event) == 0);
    }
    writable_again(const writable_again&) = delete;
    writable_again& operator=(const writable_again&) = delete;
    ~writable_again() { ::close(set_); }

    /// Waits for the next one, at most 10 s.
    bool wait() const {
        epoll_event event{};
        int count = 0;
        do {
            count = ::epoll_wait(set_, &event, 1, 10'000);
        } while (count < 0 && errno == EINTR);
        return count == 1 && (event.events & EPOLLOUT) != 0;
    }

private:
    int set_ = ::epoll_create1(0);
};

void perform_one(write_batch& batch, batched_write& write) { batch.perform({&write, 1}); }

bool is_missing(const batch_ptr& batch) {
    if (!batch) WARN("not tested: this kernel, or this container, has no io_uring");
    return !batch;
}

// A program for the kernel that lets a system call fail with EPERM, as it does in many containers: always, or when its
// second argument is a certain number.
std::vector<sock_filter> forbid(long number) {
    return {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
            {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)},
            {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
            {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
}
std::vector<sock_filter> forbid(long number, std::uint32_t second_argument) {
    constexpr std::uint32_t low_half = std::endian::native == std::endian::little ? 0 : 4;
    std::vector<sock_filter> program = forbid(number);
    const std::array<sock_filter, 2> check{{
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 + low_half)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, second_argument},
    }};
    program.insert(program.begin() + 2, check.begin(), check.end());
    program[1].jf = 3;
    return program;
}

// Runs something on a thread for which that holds.
template <class Function>
void under(std::vector<sock_filter> program, Function function) {
    std::thread{[&] {
        const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
        const bool forbidden =
            ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
        if (!forbidden) WARN("not tested: system calls cannot be forbidden here");
        if (forbidden) function();
    }}.join();
}

}  // namespace

TEST_CASE("uring: what is written arrives", "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const connection first = connection::tcp(), second;
    const bytes_view hello = as_bytes("hello"), world = as_bytes("world!");
    std::array<batched_write, 2> writes{{
        {.descriptor = first.descriptor(), .pieces = {&hello, 1}, .taken = 77, .error = 88},
        {.descriptor = second.descriptor(), .pieces = {&world, 1}},
    }};
    batch->perform(writes);
    CHECK(writes[0].taken == 5);
    CHECK(writes[0].error == 0);
    CHECK(writes[1].taken == 6);
    CHECK(writes[1].error == 0);
    CHECK(first.receive(5) == "hello");
    CHECK(second.received() == "world!");

    batch->perform(writes);
    CHECK(first.receive(5) == "hello");
    CHECK(second.received() == "world!");
}

TEST_CASE("uring: pieces arrive in their order", "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const connection peer;
    const std::array<bytes_view, 4> pieces{as_bytes("a piece, "), bytes_view{}, as_bytes("another, "),
                                           as_bytes("a third")};
    batched_write write{.descriptor = peer.descriptor(), .pieces = pieces};
    perform_one(*batch, write);
    CHECK(write.taken == 25);
    CHECK(write.error == 0);
    CHECK(peer.received() == "a piece, another, a third");
}

TEST_CASE("uring: nothing to write", "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    batch->perform({});
    const connection peer;
    batched_write write{.descriptor = peer.descriptor(), .taken = 77, .error = 88};
    perform_one(*batch, write);
    CHECK(write.taken == 0);
    CHECK(write.error == 0);
    CHECK(peer.received().empty());
}

TEST_CASE("uring: more writes than the ring has entries", "[uring]") {
    for (const unsigned entries : {0u, 1u, 3u, 16u, 1'000'000u}) {
        const batch_ptr batch = uring_writes(entries)();
        if (is_missing(batch)) return;

        const std::vector<connection> peers(50);
        std::vector<std::string> texts;
        for (std::size_t i = 0; i != peers.size(); ++i) texts.push_back("text " + std::to_string(i));
        std::vector<bytes_view> pieces(texts.size());
        std::vector<batched_write> writes(texts.size());
        for (std::size_t i = 0; i != peers.size(); ++i) {
            pieces[i] = as_bytes(texts[i]);
            writes[i] = {.descriptor = peers[i].descriptor(), .pieces = {&pieces[i], 1}};
        }
        batch->perform(writes);
        for (std::size_t i = 0; i != peers.size(); ++i) {
            CHECK(writes[i].taken == texts[i].size());
            CHECK(writes[i].error == 0);
            CHECK(peers[i].received() == texts[i]);
        }
    }
}

TEST_CASE("uring: many pieces, and more than the system takes at once", "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const std::vector<connection> peers(6);
    const std::vector<bytes_view> pieces(1'100, as_bytes("xy"));
    std::vector<batched_write> writes;
    for (const connection& peer : peers) writes.push_back({.descriptor = peer.descriptor(), .pieces = pieces});
    writes[1].pieces = writes[1].pieces.first(300);
    writes[2].pieces = writes[2].pieces.first(300);
    writes[4].pieces = writes[4].pieces.first(1);
    batch->perform(writes);

    const std::array<std::size_t, 6> expected{2'048, 600, 600, 2'048, 2, 2'048};
    for (std::size_t i = 0; i != peers.size(); ++i) {
        CHECK(writes[i].taken == expected[i]);
        CHECK(writes[i].error == 0);
        CHECK(peers[i].received().size() == expected[i]);
    }
}

TEST_CASE("uring: a full socket takes less, then nothing, nothing later, and epoll tells when there is room",
          "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const bool tcp = GENERATE(false, true);
    const std::size_t count = GENERATE(1u, 2u);  // SEND, SENDMSG
    const connection slow = tcp ? connection::tcp() : connection{}, quick;
    const std::string much(16u << 20, 'x');
    const std::vector<bytes_view> pieces(count, as_bytes(much));
    const bytes_view little = as_bytes("little");

    const writable_again edges{slow.descriptor()};
    REQUIRE(edges.wait());

    batched_write write{.descriptor = slow.descriptor(), .pieces = pieces};
    std::size_t taken = 0, times = 0;
    do {  // TCP's other end takes some more while it is being written to
        perform_one(*batch, write);
        REQUIRE(write.error == 0);
        taken += write.taken;
    } while (write.taken != 0 && ++times != 1'000);
    CHECK(write.taken == 0);
    CHECK(times >= 1);
    CHECK(taken > 0);

    // One that is full does not keep the others.
    std::array<batched_write, 2> writes{{
        {.descriptor = slow.descriptor(), .pieces = pieces},
        {.descriptor = quick.descriptor(), .pieces = {&little, 1}},
    }};
    batch->perform(writes);
    CHECK(writes[0].error == 0);
    CHECK(quick.received() == "little");
    taken += writes[0].taken;

    // What was not taken does not come when there is room.
    CHECK(slow.receive(taken).size() == taken);
    CHECK(edges.wait());
    writes[0].pieces = {&little, 1};
    batch->perform(writes);
    CHECK(writes[0].taken == 6);
    CHECK(slow.receive(6) == "little");
    CHECK(slow.received().empty());
}

TEST_CASE("uring: a socket that has failed says why, raises no signal, and does not keep the others", "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const auto before = std::signal(SIGPIPE, SIG_DFL);  // which would end the program
    connection gone;
    const connection first, last;
    gone.close_peer();
    const bytes_view text = as_bytes("text");
    const std::array<bytes_view, 2> two_pieces{text, text};
    const std::array<bytes_view, 2> malformed{text, bytes_view{text.data(), SIZE_MAX}};
    std::array<batched_write, 7> writes{{
        {.descriptor = first.descriptor(), .pieces = two_pieces},
        {.descriptor = gone.descriptor(), .pieces = {&text, 1}},
        {.descriptor = gone.descriptor(), .pieces = two_pieces},
        {.descriptor = -1, .pieces = {&text, 1}},
        {.descriptor = STDIN_FILENO, .pieces = malformed},
        {.descriptor = first.descriptor(), .pieces = malformed},
        {.descriptor = last.descriptor(), .pieces = {&text, 1}},
    }};
    batch->perform(writes);
    std::signal(SIGPIPE, before);

    CHECK(writes[0].taken == 8);
    CHECK(writes[0].error == 0);
    CHECK(writes[1].error == EPIPE);
    CHECK(writes[2].error == EPIPE);
    CHECK(writes[3].error == EBADF);
    CHECK(writes[4].error != 0);
    CHECK(writes[5].error == EINVAL);
    for (std::size_t i = 1; i != 6; ++i) CHECK(writes[i].taken == 0);
    CHECK(writes[6].taken == 4);
    CHECK(first.received() == "texttext");
    CHECK(last.received() == "text");
}

TEST_CASE("uring: a batch made by one thread is used by another, and ends with a third", "[uring]") {
    batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const connection peer;
    const bytes_view text = as_bytes("text");
    batched_write write{.descriptor = peer.descriptor(), .pieces = {&text, 1}};
    std::thread{[&] { perform_one(*batch, write); }}.join();
    CHECK(write.taken == 4);
    CHECK(peer.received() == "text");
    std::thread{[&] { batch.reset(); }}.join();
    CHECK(batch == nullptr);
}

TEST_CASE("uring: no batch where the system forbids io_uring, or to ask what it can", "[uring]") {
    if (is_missing(uring_writes()())) return;
    under(forbid(SYS_io_uring_setup), [] { CHECK(uring_writes()() == nullptr); });
    under(forbid(SYS_io_uring_register), [] { CHECK(uring_writes()() == nullptr); });
    CHECK(uring_writes()() != nullptr);
}

TEST_CASE("uring: a batch whose io_uring stops working writes everything once without it", "[uring]") {
    const batch_ptr batch = uring_writes(4)();
    if (is_missing(batch)) return;

    const std::vector<connection> peers(9);
    connection gone;
    gone.close_peer();
    const std::string much(16u << 20, 'x');
    const bytes_view text = as_bytes("text"), large = as_bytes(much);
    const std::array<bytes_view, 2> two_pieces{text, text};
    std::vector<batched_write> writes;
    for (const connection& peer : peers) writes.push_back({.descriptor = peer.descriptor(), .pieces = {&text, 1}});
    writes[3].pieces = two_pieces;
    writes[5].pieces = {&large, 1};
    writes.push_back({.descriptor = gone.descriptor(), .pieces = {&text, 1}});

    const auto check = [&](std::size_t times) {
        for (std::size_t i = 0; i != peers.size(); ++i) {
            INFO(i);
            CHECK(writes[i].error == 0);
            const std::size_t size = peers[i].received().size();
            if (i != 5) CHECK(size == times * writes[i].taken);
            if (i != 5) CHECK(writes[i].taken == (i == 3 ? 8 : 4));
            if (i == 5) CHECK((size > 0 && size < much.size()));
        }
        CHECK(writes.back().error == EPIPE);
        CHECK(writes.back().taken == 0);
    };
    const auto before = std::signal(SIGPIPE, SIG_DFL);
    batch->perform(writes);
    check(1);
    under(forbid(SYS_io_uring_enter), [&] {
        batch->perform(writes);
        check(1);
        batch->perform(writes);
        batch->perform(writes);
        check(2);
    });
    batch->perform(writes);  // and goes on so
    check(1);
    std::signal(SIGPIPE, before);
}

TEST_CASE("uring: an io_uring that stops working between two writes has not made either of them twice", "[uring]") {
    const batch_ptr batch = uring_writes()();
    if (is_missing(batch)) return;

    const std::vector<connection> peers(4);
    const bytes_view text = as_bytes("text");
    const std::array<bytes_view, 2> malformed{text, bytes_view{text.data(), SIZE_MAX}};
    std::vector<batched_write> writes;
    for (const connection& peer : peers) writes.push_back({.descriptor = peer.descriptor(), .pieces = {&text, 1}});
    writes[1].pieces = malformed;  // the kernel stops after it, and is then asked to take the other two

    under(forbid(SYS_io_uring_enter, 2), [&] { batch->perform(writes); });
    for (const std::size_t i : {0u, 2u, 3u}) {
        CHECK(writes[i].taken == 4);
        CHECK(writes[i].error == 0);
        CHECK(peers[i].received() == "text");
    }
    CHECK(writes[1].taken == 0);
    CHECK(writes[1].error == EINVAL);
    CHECK(peers[1].received().empty());
}
