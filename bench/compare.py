#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""push_server beside its yardstick, raw_server: both under the same load in turn, round after round.

Prints what raw_server does, and the others as multiples of it: medians over the rounds, each round's figure divided by
raw_server's of the same round. Server and client have a CPU each; nothing else should run.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = (CPUS[0], CPUS[1]) if len(CPUS) > 1 else (CPUS[0], CPUS[0])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["echo", "fanout"])
    parser.add_argument("--raw", required=True, help="the program raw_server")
    parser.add_argument("--weir", required=True, help="the program push_server")
    parser.add_argument("--client", required=True, help="the program pushload")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="the measured window of each run")
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--processes", type=int, default=1,
                        help="servers, and clients, among which the subscribers are divided: a process has no more "
                             "of them than descriptors (ulimit -n)")
    return parser.parse_args()


# ---- one run ----

def start(command, cpu):
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))


def start_server(command):
    """The process and its port; the port is '' if it ended at once."""
    server = start([*command, "--port", 0], SERVER_CPU)
    return server, server.stdout.readline().strip()


def stop(process):
    process.kill()
    process.wait()
    process.stdout.close()


def run(given, server, load):
    """What the client says of one run, as numbers by name."""
    share = load["connections"] // given.processes
    servers = [start_server([*server, *load["server"], "--wait", share]) for _ in range(given.processes)]
    clients = [start([given.client, load["mode"], "--port", port, "--pid", process.pid, "--connections", share,
                      "--seconds", given.seconds, *load["client"], *(["--sleep"] if given.processes > 1 else [])],
                     CLIENT_CPU) for process, port in servers]
    try:
        lines = [client.communicate()[0] for client in clients]
    finally:
        for process in [*clients, *(process for process, _ in servers)]:
            stop(process)
    if not all(lines):
        sys.exit(f"the client failed: {load['name']}, {server}")
    return combined([dict(word.split("=") for word in line.split()) for line in lines])


def combined(results):
    """Rates add up; what is per message or connection is averaged; of delays it is the longest."""
    values = {}
    for name in results[0].keys() - {"mode"}:
        each = [float(result[name]) for result in results]
        values[name] = sum(each) if name == "rate" else max(each) if name in ("p50", "p99") else statistics.mean(each)
    return values


# ---- a table ----

COLUMNS = {  # of a kind of load: the client's name for it, the heading, digits, whether others are told in multiples
    "speed": [("rate", "messages/s", 0, True), ("cpu", "CPU us", 2, True), ("user", "user us", 2, False)],
    "delay": [("p50", "p50 us", 0, True), ("p99", "p99 us", 0, True), ("cpu", "CPU us", 2, True)],
    "memory": [("memory", "bytes each", 0, False)],
}


def compare(given, servers, kind, loads):
    columns = COLUMNS[kind]
    print(f"\n{kind:48}" + "".join(f"{heading:>14}" for _, heading, _, _ in columns))
    for load in loads:
        rounds = [{name: run(given, command, load) for name, command in servers.items()}
                  for _ in range(1 if kind == "memory" else given.rounds)]
        for name in servers:
            cells = [cell(rounds, name, *column) for column in columns]
            print(f"{load['name'] if name == 'raw' else '':36}{name:12}" + "".join(cells), flush=True)


def cell(rounds, server, value, _, digits, in_multiples):
    if in_multiples and server != "raw":
        ratio = statistics.median(each[server][value] / each["raw"][value] for each in rounds)
        return f"{ratio:12.2f} x"
    # User time comes in ticks of 10 ms: what one round says of it is rough.
    middle = statistics.mean if value == "user" else statistics.median
    return f"{middle(each[server][value] for each in rounds):14,.{digits}f}"


# ---- the loads ----

def load(name, mode, connections, server=(), client=()):
    return {"name": name, "mode": mode, "connections": connections, "server": server, "client": client}


def echo(given, servers):
    def echoes(name, size, pipeline=1):
        return load(name, "ws-echo", 100, ["--nopub"], ["--size", size, "--pipeline", pipeline])

    compare(given, servers, "speed", [
        echoes("echo of 64 B", 64),
        echoes("echo of 1 KiB", 1024),
        echoes("echo of 64 KiB", 65536),
        echoes("echo of 64 B, 16 on their way", 64, 16),
    ])


def fanout(given, servers):
    sizes = [(kind, mode, count) for count in given.subscribers
             for kind, mode in (("WebSocket", "ws"), ("event stream", "sse"))]
    compare(given, servers, "speed", [
        *(load(f"{kind}, {count:,}", f"{mode}-sub", count) for kind, mode, count in sizes),
        *(load(f"{kind}, {count:,}, 10 at a time", f"{mode}-sub", count, ["--burst", 10])
          for kind, mode, count in sizes if count == given.subscribers[0]),
    ])
    deliveries = 100_000  # a second, of all subscribers together
    compare(given, servers, "delay", [
        load(f"{kind}, {count:,}, {deliveries / count:g}/s", f"{mode}-sub", count, ["--rate", deliveries / count])
        for kind, mode, count in sizes])
    compare(given, servers, "memory", [
        load(f"{kind}, {count:,}", f"{mode}-idle", count, ["--nopub"]) for kind, mode, count in sizes])


def main():
    given = arguments()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if given.part == "fanout" and files != resource.RLIM_INFINITY:
        possible = [count for count in given.subscribers if count // given.processes + 50 <= files]
        for count in set(given.subscribers) - set(possible):
            print(f"{count:,} subscribers: more than {files:,} descriptors; see --processes")
        given.subscribers = possible
    servers = {"raw": [given.raw], "weir": [given.weir]}
    if given.part == "fanout":
        process, port = start_server([given.weir, "--uring"])
        stop(process)
        if port:
            servers["weir, uring"] = [given.weir, "--uring"]
    {"echo": echo, "fanout": fanout}[given.part](given, servers)


main()
