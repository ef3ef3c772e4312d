"""A real kith node in a consortium whose other members, and whose steward, are Python."""
import functools
import json
import os
import pathlib
import random
import re
import shutil
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import testnet
from kith_peer import (
    Connection, Identity, Invitation, Member, Peer, Wire, charter_file, first_version, publish, sign_version,
)  # fmt: skip

CONSORTIUM = "interop"
IMAGES = 80

# Tensors of the model; their values travel in the order of the names.
SHAPES = {"linear1.bias": [1024], "linear1.weight": [1024, 784], "output.bias": [10], "output.weight": [10, 1024]}

# Four chunks a snapshot in bf16; rounds of a fraction of a second that never end; everyone is averaged with.
SETTINGS = testnet.QUICK | {
    "task.name": "interop",
    "task.sizes": [1024],
    "task.seed": 7,
    "task.encoding": "bf16",
    "learning.strategy": "fedavg",
    "learning.baseline": False,
    "learning.gather": "200ms",
    "learning.interval": "300ms",
    "learning.pull_budget": 512,
    "learning.explore": 512,
    "log.format": "json",
    "log.level": "debug",
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def write_pictures(directory):
    """IDX files of noise: whether anything can be learnt of it does not matter here."""
    noise = random.Random(1)
    pixels, labels = noise.randbytes(IMAGES * 28 * 28), bytes(i % 10 for i in range(IMAGES))
    (directory / "images").write_bytes(struct.pack(">IIII", 0x803, IMAGES, 28, 28) + pixels)
    (directory / "labels").write_bytes(struct.pack(">II", 0x801, IMAGES) + labels)
    return [str(directory / "images"), str(directory / "labels")]


class Scene:
    """The node under test, its consortium, and how to be another member of it.

    `members` are names; those that are also keys of `ports` have an address, and the node dials them.
    """

    def __init__(self, members, ports=None, settings=None):
        assert os.access(testnet.KITH, os.X_OK), "set the environment variable KITH to the kith program; ctest does"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-interop-"))
        try:
            self.steward = Identity("steward")
            self.identities = {name: Identity(name) for name in members}
            self.node = self.make_node(free_port(), ports or {}, settings or {})
        except BaseException:
            shutil.rmtree(self.directory)
            raise

    def make_node(self, port, ports, settings):
        folder = self.directory / "node"
        self.kith("init", "--join", "--dir", folder, "--name", "tested", "--consortium", CONSORTIUM,
                  "--listen", f"127.0.0.1:{port}", "--address", f"127.0.0.1:{port}")  # fmt: skip
        self.itself = Member.of_card((folder / "node.card").read_text())
        self.readers = [self.itself] + [
            Member(identity.node_key, identity.channel_key, name,
                   [f"127.0.0.1:{ports[name]}"] if name in ports else [])
            for name, identity in self.identities.items()
        ]  # fmt: skip
        self.charter = first_version(CONSORTIUM, self.readers, self.steward)
        charter = self.directory / "charter.kith"
        charter.write_bytes(charter_file(sign_version(self.charter, self.steward)))
        self.kith("charter", "merge", "--dir", folder, charter)
        node = testnet.Node(folder)
        node.configure(SETTINGS | {"data.train": write_pictures(self.directory)} | settings)
        return node

    def kith(self, *arguments):
        done = testnet.kith(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self):
        try:
            self.node.start()
            self.until("the node's first round", lambda: self.node.finished() >= 1, 60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.node.running():
            self.node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def until(self, what, condition, seconds=10):
        """Returns what condition() does, once that is true."""
        end = time.monotonic() + seconds
        while True:
            assert self.node.running(), f"the node ended before: {what}"
            try:
                if found := condition():
                    return found
            except OSError:
                pass  # the control socket is not there yet
            assert time.monotonic() < end, f"waited {seconds} s in vain for: {what}"
            time.sleep(0.02)

    # Being a member.

    def peer(self, name):
        return Peer(self.identities[name], CONSORTIUM)

    def join(self, name, **options):
        """A connection of this member, which it dialled."""
        return self.peer(name).dial(self.node.port, self.itself.channel_key, **options)

    @functools.cached_property
    def task(self):
        return bytes.fromhex(self.node.events("opened")[-1]["task"])

    @functools.cached_property
    def encoding(self):
        return self.node.config()["task"]["encoding"]

    def publish(self, name, values, **liberties):
        """A snapshot of this member, for all."""
        usual = {"consortium": CONSORTIUM, "task": self.task, "readers": self.readers, "encoding": self.encoding}
        return publish(self.identities[name], values=values, **usual | liberties)

    def invite(self):
        """A new invitation of the node's."""
        made = json.loads(self.kith("invite", "--json", "--dir", self.node.directory))
        return Invitation.of_text(made["invite"])

    def knock(self, identity):
        """A connection of somebody who is no member."""
        return Connection(Wire.dial(self.node.port), identity, CONSORTIUM, self.itself.channel_key)

    def successor(self, version, **changes):
        """The version after it, which expires a second later."""
        follows = {"number": version.number + 1, "previous": version.id(), "expires": version.expires + 1}
        return version.but(**follows | changes)

    # What the node says of itself.

    def followed(self):
        """The number of the version of the charter."""
        return self.node.status()["charter"]["number"]

    def told(self, name):
        """What it tells its operator of this member."""
        return self.node.peers()[name]

    def log(self, event, name, **fields):
        """Events about this member with such fields."""
        wanted = fields | {"peer": name}
        return [line for line in self.node.events(event) if all(line.get(key) == value for key, value in wanted.items())]

    def memory(self):
        """Bytes that the network process has resident."""
        status = pathlib.Path(f"/proc/{self.node.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.node.process.pid}/fd"))
