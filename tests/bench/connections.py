#!/usr/bin/env python3
"""The network process with 32 peers: its memory, while snapshots pass through it in both directions.

A real node, and 32 members in Python that behave: each publishes a snapshot, which the node fetches, and fetches the
node's own of every round.  Every fifth of them reads nothing for half of the time.  Meanwhile strangers keep half-open connections.

usage: connections.py KITH [--seconds N] [--width N] [--peers N]

needs python3-dissononce, as tests/interop does.  Prints a table in Markdown, and a line a second to the standard error.
"""
import argparse
import os
import pathlib
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("kith", type=pathlib.Path)
parser.add_argument("--seconds", type=int, default=120)
parser.add_argument("--width", type=int, default=8192, help="of the model's hidden layer; 3.2 KB of snapshot each")
parser.add_argument("--peers", type=int, default=32)
options = parser.parse_args()
os.environ["KITH"] = str(options.kith.resolve())
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "interop"))
from kith_peer import Closed, Wire
from scene import Scene

MIB = 1 << 20


class Member(threading.Thread):
    """Publishes, fetches and answers until it is told to stop."""

    def __init__(self, scene, number):
        super().__init__(daemon=True)
        self.scene, self.name_, self.number = scene, f"peer-{number}", number
        self.stopping, self.fetched, self.served, self.error = False, 0, 0, None

    def run(self):
        try:
            with self.scene.join(self.name_) as link:
                snapshot = self.scene.publish(self.name_, self.scene.model)
                link.peer.hold(snapshot)
                link.send(link.peer.summary(answer=False))
                while not self.stopping:
                    if self.number % 5 == 0 and int(time.monotonic() / 10) % 2:
                        time.sleep(1)  # deaf
                        continue
                    head = link.peer.newest(self.scene.itself.node_key)
                    if head is None:
                        link.serve(0.5)
                        continue
                    self.fetched += self.fetch(link, head)
                    self.served = len(link.asked)
        except (Closed, AssertionError, OSError) as error:
            if not self.stopping:
                self.error = error

    def fetch(self, link, head):
        """Bytes of the node's snapshot; none if it was superseded meanwhile."""
        try:
            got = link.fetch_snapshot(head)
        except AssertionError:
            link.peer.heads.pop(head.id(), None)
            link.serve(0.5)
            return 0
        return sum(map(len, got.chunks))


def main():
    names = [f"peer-{number}" for number in range(options.peers)]
    settings = {"task.sizes": [options.width], "learning.interval": "2s", "log.level": "info",
                "limits.disk": "64GiB"}  # fmt: skip
    with Scene(names, settings=settings) as scene:
        scene.model = scene_model(scene)
        members = [Member(scene, number) for number in range(options.peers)]
        before = scene.memory()
        for member in members:
            member.start()
        seen, crowd = [], []
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            crowd = crowd[-200:] + [Wire.dial(scene.node.port) for _ in range(20)]
            connected = sum(peer["connected"] for peer in scene.node.peers().values())
            seen.append((scene.memory(), connected))
            print(f"{seen[-1][0] / MIB:.1f} MiB, {connected} peers", file=sys.stderr)
            time.sleep(1)
        for member in members:
            member.stopping = True
        traffic = scene.node.peers().values()
        received = sum(peer["bytes_in"] for peer in traffic)
        sent = sum(peer["bytes_out"] for peer in traffic)
        half = len(seen) // 2
        print("| peers | snapshot, MiB | received, MiB | sent, MiB | resident before, MiB | most, MiB | "
              "median of the first half, MiB | of the second, MiB | seconds |")  # fmt: skip
        print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        print(f"| {max(peers for _, peers in seen)} | {len(scene.model) / MIB:.1f} | {received / MIB:.0f} | {sent / MIB:.0f} | "
              f"{before / MIB:.1f} | {max(memory for memory, _ in seen) / MIB:.1f} | "
              f"{median(seen[:half]) / MIB:.1f} | {median(seen[half:]) / MIB:.1f} | {options.seconds} |")  # fmt: skip
        for member in members:
            if member.error:
                print(f"{member.name_}: {member.error!r}", file=sys.stderr)


def median(seen):
    ordered = sorted(memory for memory, _ in seen)
    return ordered[len(ordered) // 2]


def scene_model(scene):
    """A model of the task: the node's own first snapshot, opened by a member."""
    with scene.join("peer-0") as link:
        link.wait("the node's head", lambda: link.peer.newest(scene.itself.node_key), 30)
        snapshot = link.fetch_snapshot(link.peer.newest(scene.itself.node_key))
        return snapshot.open(scene.identities["peer-0"])


if __name__ == "__main__":
    main()
