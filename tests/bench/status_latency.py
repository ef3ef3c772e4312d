#!/usr/bin/env python3
"""How long a node takes to answer `kith status` at any moment of its life, from its first moment on: asked every 10 ms
while it reads data, waits for its worker, trains, scores and exchanges, with five others on the same machine.

    KITH=build/release/bin/kith tests/bench/status_latency.py [ROUNDS]
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from testnet import QUICK, Testnet  # noqa: E402


def ask(node, taken, phases):
    start = time.monotonic()
    try:
        status = node.status()
    except OSError:
        return None  # the socket is not there yet
    taken.append(time.monotonic() - start)
    phases.add(status["phase"])
    return status


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with Testnet(nodes=6, settings=QUICK | {"learning.interval": "0ms", "learning.gather": "1s"}) as net:
        node, taken, phases = net.nodes[0], [], set()
        net.start()
        begun, first = time.monotonic(), None
        while True:
            status = ask(node, taken, phases)
            if status and first is None:
                first = time.monotonic() - begun
            if status and status["finished_round"] >= rounds:
                break
            time.sleep(0.01)
        taken.sort()
        at = lambda share: 1000 * taken[min(len(taken) - 1, int(share * len(taken)))]
        print(f"first answer {1000 * first:.0f} ms after the start; {len(taken)} answers in {rounds} rounds, phases seen: "
              f"{', '.join(sorted(phases))}")  # fmt: skip
        print(f"median {at(0.5):.1f} ms, 99 % {at(0.99):.1f} ms, longest {at(1):.1f} ms")


if __name__ == "__main__":
    main()
