#!/usr/bin/env python3
"""The gateway's load benchmark, beside nginx in the same run.

Starts the fake provider and each system in front of it, runs the matrix of
systems, workloads and numbers of connections in interleaved rounds, prints
medians with their ratios to nginx, and writes everything as JSON. README.md
explains the figures.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from processes import Cpu, Process, resident_bytes
from systems import SYSTEMS

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Name: flags of bench_client, events per request, goals as multiples of nginx
# at 32 connections for one process and for two.
WORKLOADS = {
    "unary": (["--model", "fake-8x0"], 0, {"one": 2.0, "two": 5.0}),
    "unary20k": (["--model", "fake-8x0", "--prompt-bytes", "20000"], 0,
                 {"one": 1.8, "two": 4.5}),
    "instant": (["--model", "fake-50x0", "--stream", "--events", "50"], 50,
                {"one": 1.7, "two": 3.0}),
    "paced": (["--model", "fake-50x20", "--stream", "--events", "50",
               "--ramp", "1"], 50,
              {"one": 1.4, "two": 3.0}),
}
GOAL_CONNECTIONS = 32
# Latency added to a unary call alone on the machine, in milliseconds.
ADDED_MS_GOALS = {"one": 0.06, "two": 0.20}
IDLE_STREAMS = 1000
IDLE_BYTES_GOAL = 64 << 10
READY_SECONDS_GOAL = 1.0


def names(choices):
    def read(text):
        chosen = text.split(",")
        unknown = set(chosen) - set(choices)
        if unknown:
            raise argparse.ArgumentTypeError(
                f"{', '.join(sorted(unknown))}: not one of "
                f"{', '.join(choices)}")
        return chosen
    return read


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=ROOT / "build/release/bin",
                        type=pathlib.Path, help="where the binaries are")
    parser.add_argument("--systems", type=names(SYSTEMS),
                        default=list(SYSTEMS), help=",".join(SYSTEMS))
    parser.add_argument("--workloads", type=names(WORKLOADS),
                        default=list(WORKLOADS), help=",".join(WORKLOADS))
    parser.add_argument("--connections", default="1,32,128",
                        type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2,
                        help="of each measurement")
    parser.add_argument("--no-idle", action="store_true",
                        help="skip memory per idle stream and start times")
    parser.add_argument("--json", type=pathlib.Path,
                        default=ROOT / "build/bench.json")
    return parser.parse_args()


def client(arguments, port, flags, **run):
    """Runs bench_client and returns what it measured."""
    done = subprocess.run(
        [arguments.bin / "bench_client", "--port", str(port), *flags],
        stdout=subprocess.PIPE, text=True, timeout=300, **run)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"bench_client ended with {done.returncode}")
    return json.loads(done.stdout)


def measure(arguments, system, workload, connections):
    flags, _, _ = WORKLOADS[workload]
    flags = flags + ["--connections", str(connections),
                     "--seconds", str(arguments.seconds)]
    cpu = Cpu(system.processes)
    result = client(arguments, system.port, flags)
    seconds = cpu.seconds()
    result["cpu_us"] = 1e6 * seconds / max(1, result["completed"])
    result["resident_bytes"] = resident_bytes(system.processes)
    return result


def show(progress):
    if sys.stderr.isatty():
        print(f"\r{progress:60}\r", end="", file=sys.stderr, flush=True)


def run_matrix(arguments, systems):
    """{(workload, connections, system): [result of each round]}"""
    cells = {}
    for system in systems.values():  # warm
        for workload in arguments.workloads:
            client(arguments, system.port, WORKLOADS[workload][0] +
                   ["--connections", "16", "--seconds", "0.2"])
    for round_ in range(arguments.rounds):
        for workload in arguments.workloads:
            for connections in arguments.connections:
                # Each in turn is first, so that no system has the best place.
                order = list(systems.items())
                turn = round_ % len(order)
                for name, system in order[turn:] + order[:turn]:
                    show(f"round {round_ + 1}/{arguments.rounds} "
                         f"{workload} {connections} {name}")
                    cells.setdefault((workload, connections, name), []).append(
                        measure(arguments, system, workload, connections))
    show("")
    return cells


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(results, base):
    """To nginx, paired by round: neighbours saw the same machine."""
    return statistics.median(
        mine["cpu_us"] / theirs["cpu_us"]
        for mine, theirs in zip(results, base) if theirs["cpu_us"] > 0)


def summarise(cells):
    rows = []
    place = list(SYSTEMS).index
    order = sorted(cells, key=lambda cell: (
        list(WORKLOADS).index(cell[0]), cell[1], place(cell[2])))
    for workload, connections, name in order:
        results = cells[workload, connections, name]
        row = {"workload": workload, "connections": connections,
               "system": name, "rounds": results,
               "failed": sum(result["failed"] for result in results)}
        for key in ("per_second", "p50_us", "p99_us", "first_p50_us",
                    "cpu_us", "resident_bytes"):
            row[key] = median(results, key)
        base = cells.get((workload, connections, "nginx"))
        if base and name != "direct":
            row["ratio"] = ratio(results, base)
        direct = cells.get((workload, connections, "direct"))
        if direct and name != "direct":
            row["added_p50_us"] = row["p50_us"] - median(direct, "p50_us")
        rows.append(row)
    return rows


def print_rows(rows):
    columns = ("workload", "conn", "system", "req/s", "p50 ms", "p99 ms",
               "first ms", "CPU us", "x nginx", "RSS MiB", "failed")
    print(("{:9}{:>5} {:7}" + "{:>10}" * 8).format(*columns))
    before = None
    for row in rows:
        cell = (row["workload"], row["connections"])
        if before not in (None, cell):
            print()
        before = cell
        measured = row["system"] != "direct"
        times = f"{row['ratio']:.2f}" if "ratio" in row else "-"
        print(f"{row['workload']:9}{row['connections']:>5} {row['system']:7}"
              f"{row['per_second']:>10.0f}{row['p50_us'] / 1e3:>10.3f}"
              f"{row['p99_us'] / 1e3:>10.3f}"
              f"{row['first_p50_us'] / 1e3:>10.3f}"
              + (f"{row['cpu_us']:>10.1f}{times:>10}"
                 f"{row['resident_bytes'] / 2**20:>10.1f}" if measured
                 else f"{'-':>10}" * 3)
              + f"{row['failed']:>10}")


def idle_memory(arguments, system):
    """Bytes for each of many streams that are open and silent."""
    before = resident_bytes(system.processes)
    # Two content events ten minutes apart: all streams begin, none ends.
    holder = subprocess.Popen(
        [arguments.bin / "bench_client", "--port", str(system.port),
         "--model", "fake-2x600000", "--stream", "--hold",
         "--connections", str(IDLE_STREAMS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = holder.stdout.readline()
        if line.strip() != "holding":
            raise RuntimeError(f"{IDLE_STREAMS} streams did not begin: {line}")
        time.sleep(1)
        held = resident_bytes(system.processes)
        holder.communicate(timeout=60)
    finally:
        holder.kill()
        holder.wait()
    return (held - before) / IDLE_STREAMS


def start_times(system, count=5):
    """Seconds from start to ready; the first with empty data folders."""
    times = []
    for _ in range(count):
        system.stop()
        times.append(system.start())
    return times


def print_goals(arguments, rows, extras):
    def line(what, value, goal, unit):
        verdict = "met" if value <= goal else f"missed by {value / goal:.2f}x"
        print(f"{what:45}{value:>9.3f} {unit:8} goal <= {goal:g}  {verdict}")

    for row in rows:
        goal = WORKLOADS[row["workload"]][2].get(row["system"])
        if goal and row["connections"] == GOAL_CONNECTIONS and "ratio" in row:
            line(f"{row['system']}: CPU of {row['workload']}, "
                 f"{GOAL_CONNECTIONS} connections", row["ratio"], goal,
                 "x nginx")
    for row in rows:
        goal = ADDED_MS_GOALS.get(row["system"])
        if (goal and row["workload"] == "unary" and row["connections"] == 1
                and "added_p50_us" in row):
            line(f"{row['system']}: added latency alone, p50",
                 row["added_p50_us"] / 1e3, goal, "ms")
    for name, extra in extras.items():
        if name in ADDED_MS_GOALS:
            line(f"{name}: memory per idle stream of {IDLE_STREAMS}",
                 extra["idle_stream_bytes"] / 1024, IDLE_BYTES_GOAL / 1024,
                 "KiB")
        if name == "one":
            line("one: start to ready, median",
                 statistics.median(extra["ready_seconds"]),
                 READY_SECONDS_GOAL, "s")


def environment():
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True,
        text=True).stdout.strip()
    return {"revision": revision, "kernel": platform.release(),
            "cpus": os.cpu_count(), "load_before": os.getloadavg(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def missing_programs(arguments):
    missing = [name for name in ("bench_client", "fake_provider")
               if not (arguments.bin / name).exists()]
    for name in arguments.systems:
        missing += SYSTEMS[name].missing(arguments.bin)
    return missing


def benchmark(arguments, folder):
    about = environment()
    provider = Process(
        "fake_provider", [arguments.bin / "fake_provider", "--keep", "0",
                          "--threads", "2"],
        folder, stdout=subprocess.PIPE)
    systems = {}
    try:
        port = int(provider.popen.stdout.readline().decode().rpartition(":")[2])
        for name in arguments.systems:
            systems[name] = SYSTEMS[name](arguments.bin, folder, port)
            systems[name].start()
        cells = run_matrix(arguments, systems)
        extras = {}
        if not arguments.no_idle:
            for name, system in systems.items():
                if system.processes:
                    extras[name] = {
                        "idle_stream_bytes": idle_memory(arguments, system),
                        "ready_seconds": start_times(system)}
    finally:
        for system in systems.values():
            system.stop()
        provider.stop()
    return {"environment": about, "rows": summarise(cells), "extras": extras}


def main():
    arguments = read_arguments()
    missing = missing_programs(arguments)
    if missing:
        sys.exit(f"not there: {', '.join(missing)}; build the preset "
                 "`release`, or choose with --systems")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        report = benchmark(arguments, folder)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1))
    print_rows(report["rows"])
    print()
    for name, extra in report["extras"].items():
        ready = ", ".join(f"{s:.3f}" for s in extra["ready_seconds"])
        print(f"{name}: {extra['idle_stream_bytes'] / 1024:.1f} KiB for each "
              f"of {IDLE_STREAMS} idle streams; ready after {ready} s")
    print_goals(arguments, report["rows"], report["extras"])
    print(f"written to {arguments.json}")
    failed = sum(row["failed"] for row in report["rows"])
    if failed:
        sys.exit(f"{failed} answers were not complete")


if __name__ == "__main__":
    main()
