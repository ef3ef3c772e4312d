#!/usr/bin/env python3
"""Real processes, each in a network namespace of its own behind a line of so many Mbit/s up, fetch one snapshot from one of
them; prints a row of a Markdown table: docs/results.md is made of it.  Needs root, for the namespaces.

usage: swarm.py SWARM NODES [MEBIBYTES] [MBIT]      for example: swarm.py build/release/bin/swarm 8 64 100
       swarm.py SWARM NODES MEBIBYTES through-one   the first is connected with the second only, and all others, too:
                                                    what one node takes that has so many peers and passes it all on
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


def spread(program, nodes, mebibytes, mbit, known=lambda node: True):
    """Seconds from the publication to the last node that has it; what the nodes say at the end; the snapshot's bytes."""
    addresses = [f"10.77.0.{node + 1}:7700" if known(node) else "-" for node in range(nodes)]
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
    return last - published["published"], ends, published["bytes"]


def through_one(program, nodes, mebibytes):
    seconds, ends, _ = spread(program, nodes, mebibytes, 0, known=lambda node: node == 1)
    print("| peers | MiB | to all, s | GiB sent | memory, MiB at most |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    print(f"| {nodes - 1} | {mebibytes} | {seconds:.0f} | {ends[1]['out'] / 2**30:.1f} | {ends[1]['memory_mebibytes']:.0f} |")


def main(program, nodes, mebibytes="64", mbit="100"):
    nodes, mebibytes = int(nodes), int(mebibytes)
    if mbit == "through-one":
        return through_one(program, nodes, mebibytes)
    mbit = int(mbit)
    alone, _, _ = spread(program, 2, mebibytes, mbit)
    seconds, ends, size = spread(program, nodes, mebibytes, mbit)
    memory, sent = max(end["memory_mebibytes"] for end in ends), ends[0]["out"] / size
    print("| nodes | MiB | Mbit/s | to one, s | to all, s | upload times | sent by the first | memory, MiB at most |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(f"| {nodes} | {mebibytes} | {mbit} | {alone:.2f} | {seconds:.2f} | {seconds / alone:.2f} | {sent:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
