#!/usr/bin/env python3
"""Whether a node grows: real nodes learn with one another while half of them are killed, stopped and started again all the
time; prints a Markdown table of the network processes of those that stay: docs/results.md is made of it.

usage: soak.py KITH [MINUTES]      for example: soak.py build/release/bin/kith 60
"""
import os
import pathlib
import random
import re
import sys
import time

NODES = 6
SETTLED = 10  # minutes that count for nothing: caches fill
EVERY = 15  # seconds: one more is killed or stopped, and all are measured


def main(kith, minutes="60"):
    os.environ["KITH"] = str(pathlib.Path(kith).resolve())
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
    import testnet

    chance = random.Random(testnet.SEED)
    settings = testnet.QUICK | {"learning.strategy": "fedavg", "learning.interval": "2s", "learning.gather": "5s"}
    with testnet.Testnet(nodes=NODES, groups=2, settings=settings) as net:
        net.start()
        stay, come_and_go = net.nodes[: NODES // 2], net.nodes[NODES // 2 :]
        samples = {node.name: [] for node in stay}
        start, lives = time.monotonic(), 0
        while (passed := time.monotonic() - start) < 60 * float(minutes):
            time.sleep(EVERY)
            for node in stay:
                samples[node.name].append((passed / 3600, resident(node)))
            node = chance.choice(come_and_go)
            if not node.running():
                node.start()
                lives += 1
            elif chance.random() < 0.5:
                node.kill()
            else:
                node.stop(30)
            if sys.stderr.isatty():
                print(f"\r{passed / 60:.0f} of {minutes} minutes", end="", file=sys.stderr)
        rounds = {node.name: node.finished() for node in stay}
        print(f"{minutes} minutes, {lives} restarts of the other {len(come_and_go)} nodes\n")
        print("| node | rounds | MiB at first | at last | at most | slope, MiB an hour |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for node in stay:
            settled = [sample for sample in samples[node.name] if sample[0] * 60 >= min(SETTLED, float(minutes) / 2)]
            memory = [mebibytes for _, mebibytes in settled]
            print(f"| {node.name} | {rounds[node.name]} | {memory[0]:.1f} | {memory[-1]:.1f} | {max(memory):.1f} | {slope(settled):+.2f} |")


def resident(node):
    """MiB of the network process."""
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)[1]) / 1024


def slope(samples):
    """Of the line of least squares through (x, y)."""
    x = sum(x for x, _ in samples) / len(samples)
    y = sum(y for _, y in samples) / len(samples)
    return sum((a - x) * (b - y) for a, b in samples) / sum((a - x) ** 2 for a, _ in samples)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
