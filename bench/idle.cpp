// SPDX-License-Identifier: BSL-1.0

// What an idle event stream costs: memory per session, by part. idle [sessions]
//
// A server in a process of its own, this process as its clients. Twice: with weir, and with a server that does nothing
// but wait for readability on each socket, which is what Asio itself costs. The difference is weir's. Linux and glibc.

#include <weir/server.hpp>

#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using asio::ip::tcp;

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

// A number of bytes out of a file of /proc with lines "Name:   123 kB".
double kilobyte_line(const char* file, std::string_view name) {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(name)) return 1024 * std::strtod(line.c_str() + name.size(), nullptr);
    }
    return 0;
}

struct memory {
    double heap = 0;      // in use, allocator's overhead included
    double resident = 0;  // the process
};

memory own_memory() {
    const auto heap = mallinfo2();
    return {static_cast<double>(heap.uordblks + heap.hblkhd), kilobyte_line("/proc/self/smaps_rollup", "Rss:")};
}

// ---- the two servers; each tells its port, and its memory whenever it is sent SIGUSR1 ----

void tell(int to, const auto& value) {
    if (write(to, &value, sizeof value) != sizeof value) die("write");
}

void tell_memory_on_signal(asio::signal_set& signal, int to) {
    signal.async_wait([&signal, to](std::error_code ec, int) {
        if (ec) return;
        tell(to, own_memory());
        tell_memory_on_signal(signal, to);
    });
}

void weir_server(int to) {
    weir::server app{{.handle_signals = false}};
    std::deque<weir::sse_session> sessions;
    app.sse("/", [&sessions](weir::sse_session session) { sessions.push_back(std::move(session)); });
    asio::signal_set signal{app.context(), SIGUSR1};
    tell_memory_on_signal(signal, to);
    tell(to, app.listen({.port = 0}));
    app.run();
}

using bare_socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

void accept_bare(tcp::acceptor& acceptor, asio::io_context& context, std::deque<bare_socket>& sockets) {
    acceptor.async_accept(context.get_executor(), [&](std::error_code ec, bare_socket accepted) {
        if (ec) die("accept");
        auto& socket = sockets.emplace_back(std::move(accepted));
        socket.async_wait(bare_socket::wait_read, [&socket](std::error_code) {
            static const std::string_view head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n";
            std::array<char, 4096> request;
            socket.read_some(asio::buffer(request));
            socket.write_some(asio::buffer(head));
            socket.async_wait(bare_socket::wait_read, [](std::error_code) {});
        });
        accept_bare(acceptor, context, sockets);
    });
}

void bare_server(int to) {
    asio::io_context context{1};
    std::deque<bare_socket> sockets;
    tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
    asio::signal_set signal{context, SIGUSR1};
    tell_memory_on_signal(signal, to);
    tell(to, acceptor.local_endpoint().port());
    accept_bare(acceptor, context, sockets);
    context.run();
}

// ---- the clients ----

struct result {
    double heap, resident, kernel;  // bytes per session
};

double kernel_memory() {
    double pages = 0;
    std::ifstream in{"/proc/net/sockstat"};
    for (std::string line; std::getline(in, line);) {
        const auto at = line.find(" mem ");
        if (line.starts_with("TCP:") && at != std::string::npos) pages = std::strtod(line.c_str() + at + 5, nullptr);
    }
    return kilobyte_line("/proc/meminfo", "Slab:") + pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class T>
T hear(int from) {
    T value;
    if (read(from, &value, sizeof value) != sizeof value) die("read");
    return value;
}

memory ask(pid_t server, int from) {
    kill(server, SIGUSR1);
    return hear<memory>(from);
}

void open_stream(tcp::socket& socket, const tcp::endpoint& server) {
    static const std::string_view request = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    socket.connect(server);
    asio::write(socket, asio::buffer(request));
    std::string answer;
    // The head, and the comment after it: by then the server has nothing left to do.
    asio::read_until(socket, asio::dynamic_buffer(answer), ":\n\n");
}

result measure(void (*run)(int), std::size_t sessions) {
    int channel[2];
    if (pipe(channel) != 0) die("pipe");
    const pid_t server = fork();
    if (server < 0) die("fork");
    if (server == 0) {
        run(channel[1]);
        std::exit(0);
    }
    const tcp::endpoint address{asio::ip::address_v4::loopback(), hear<std::uint16_t>(channel[0])};
    asio::io_context context;
    std::vector<tcp::socket> sockets;
    sockets.reserve(sessions + 100);
    // A hundred to warm up pools and tables, which are not a session's.
    for (int i = 0; i != 100; ++i) open_stream(sockets.emplace_back(context), address);

    const memory before = ask(server, channel[0]);
    const double kernel_before = kernel_memory();
    for (std::size_t i = 0; i != sessions; ++i) open_stream(sockets.emplace_back(context), address);
    const memory after = ask(server, channel[0]);
    const double kernel_after = kernel_memory();

    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    close(channel[0]);
    close(channel[1]);
    const auto each = [&](double a, double b) { return (b - a) / static_cast<double>(sessions); };
    return {each(before.heap, after.heap), each(before.resident, after.resident), each(kernel_before, kernel_after)};
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t sessions = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000;
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    const result bare = measure(&bare_server, sessions);
    const result with = measure(&weir_server, sessions);
    std::printf("idle event streams, %zu of them, bytes each\n", sessions);
    std::printf("  %-34s %8.0f\n", "weir: session, its handle, its wheel", with.heap - bare.heap);
    std::printf("  %-34s %8.0f\n", "Asio: socket, reactor, pending wait", bare.heap);
    std::printf("  %-34s %8.0f   (budget 768)\n", "user space, heap", with.heap);
    std::printf("  %-34s %8.0f\n", "user space, resident", with.resident);
    std::printf("  %-34s %8.0f\n", "kernel, both ends of the connection", with.kernel);
}
