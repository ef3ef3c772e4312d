#!/usr/bin/env python3
"""Real processes, each in a network namespace of its own behind a line of so many Mbit/s up, fetch one snapshot from one of
them; prints a row of a Markdown table: docs/results.md is made of it.  Needs root, for the namespaces.

usage: swarm.py SWARM NODES [MEBIBYTES] [MBIT]      for example: swarm.py build/release/bin/swarm 8 64 100
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time


def run(*command):
    subprocess.run(command, check=True)


@contextlib.contextmanager
def lines(nodes, mbit):
    """Namespaces with an address each, joined by a bridge in one more; what leaves each is as slow as that."""
    name = lambda node: f"kith-bench-{os.getpid()}-{node}"
    made = []
    try:
        for node in ["switch", *range(nodes)]:
            run("ip", "netns", "add", name(node))
            made.append(name(node))
        inside = lambda node, *command: run("ip", "netns", "exec", name(node), *command)
        inside("switch", "ip", "link", "add", "bridge", "type", "bridge")
        inside("switch", "ip", "link", "set", "bridge", "up")
        for node in range(nodes):
            run("ip", "link", "add", "line", "netns", name(node), "type", "veth", "peer", "name", f"port{node}", "netns", name("switch"))
            inside("switch", "ip", "link", "set", f"port{node}", "master", "bridge", "up")
            inside(node, "ip", "link", "set", "lo", "up")
            inside(node, "ip", "address", "add", f"10.77.0.{node + 1}/24", "dev", "line")
            inside(node, "ip", "link", "set", "line", "up")
            if mbit:
                inside(node, "tc", "qdisc", "add", "dev", "line", "root", "tbf", "rate", f"{mbit}mbit", "burst", "64kb", "latency", "50ms")
        yield name
    finally:
        for each in made:
            subprocess.run(["ip", "netns", "delete", each], check=False)


def spread(program, nodes, mebibytes, mbit):
    """Seconds from the publication to the last node that has it; MiB of memory; snapshots that the first has sent."""
    addresses = [f"10.77.0.{node + 1}:7700" for node in range(nodes)]
    with tempfile.TemporaryDirectory(prefix="kith-swarm-") as folder, lines(nodes, mbit) as name:
        processes = []
        try:
            for node in range(nodes):
                place = pathlib.Path(folder, str(node))
                command = ["ip", "netns", "exec", name(node), program, node, mebibytes, place, *addresses]
                processes.append(subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            read = lambda process: json.loads(process.stdout.readline())
            for process in processes:
                read(process)
            time.sleep(5)  # they connect
            processes[0].stdin.write("publish\n")
            processes[0].stdin.flush()
            published = read(processes[0])
            last = max(read(process)["completed"] for process in processes[1:])
            for process in processes:
                process.stdin.close()
            ends = [read(process) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    return last - published["published"], max(end["memory_mebibytes"] for end in ends), ends[0]["out"] / published["bytes"]


def main(program, nodes, mebibytes="64", mbit="100"):
    nodes, mebibytes, mbit = int(nodes), int(mebibytes), int(mbit)
    alone, _, _ = spread(program, 2, mebibytes, mbit)
    seconds, memory, sent = spread(program, nodes, mebibytes, mbit)
    print("| nodes | MiB | Mbit/s | to one, s | to all, s | upload times | sent by the first | memory, MiB at most |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(f"| {nodes} | {mebibytes} | {mbit} | {alone:.2f} | {seconds:.2f} | {seconds / alone:.2f} | {sent:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
