"""A real kith node in a consortium whose other members, and whose stewards, are Python."""
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
    Card, Connection, Identity, Invitation, Member, Peer, Wire, by_key, charter_file, first_version, publish,
    read_charter_file, sign_version,
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

    `members` are names; those that are also keys of `ports` have an address, and the node dials them. The node is
    taken in with the second version of the charter, which it follows when it starts.
    """

    def __init__(self, members, ports=None, settings=None, stewards=("steward",)):
        assert os.access(testnet.KITH, os.X_OK), "set the environment variable KITH to the kith program; ctest does"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-interop-"))
        try:
            self.stewards = [Identity(name) for name in stewards]
            self.identities = {name: Identity(name) for name in members}
            self.node = self.make_node(free_port(), ports or {}, settings or {})
        except BaseException:
            shutil.rmtree(self.directory)
            raise

    def make_node(self, port, ports, settings):
        folder = self.directory / "node"
        members = [identity.member() for identity in self.identities.values()]
        self.first = first_version(CONSORTIUM, members, self.stewards)
        self.founded = self.first.id()
        self.kith("init", "--join", self.write_charter(self.first), "--dir", folder, "--name", "tested",
                  "--listen", f"127.0.0.1:{port}", "--address", f"127.0.0.1:{port}")  # fmt: skip
        self.itself = Card.of_text((folder / "node.card").read_text())
        self.charter = self.successor(self.first, members=[*members, Member(self.itself.node_key, "tested")])
        self.readers = [self.itself] + [
            identity.card(self.founded, *[f"127.0.0.1:{ports[name]}"] if name in ports else [])
            for name, identity in self.identities.items()
        ]
        self.cards = {card.name: card for card in self.readers}
        file = self.write_charter(self.first, self.charter, cards=self.readers[1:])
        self.kith("charter", "merge", "--dir", folder, file)
        node = testnet.Node(folder)
        node.configure(SETTINGS | {"data.train": write_pictures(self.directory)} | settings)
        return node

    def signed(self, version):
        """By all stewards of the first version, or those whom it names itself."""
        keys = {steward.node_key for steward in version.stewards}
        return sign_version(version, *[one for one in self.stewards if one.node_key in keys])

    def write_charter(self, *versions, cards=()):
        """A charter file; the versions are signed, or will be."""
        file = self.directory / f"charter-{len(list(self.directory.glob('charter-*')))}.kith"
        signed = [version if hasattr(version, "body") else self.signed(version) for version in versions]
        file.write_bytes(charter_file(*signed, cards=cards))
        return file

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
        return Peer(self.identities[name], self.founded, self.task, self.readers)

    def join(self, name, **options):
        """A connection of this member, which it dialled."""
        return self.peer(name).dial(self.node.port, self.itself, **options)

    def renew(self, name, generation=1, **liberties):
        """This member with another channel key: a peer whose card, dated now, says so. Nobody has heard of it yet."""
        identity = Identity(name, generation)
        peer = Peer(identity, self.founded, self.task, self.readers)
        issued = liberties.pop("issued", int(time.time()) + generation)
        peer.cards[identity.node_key] = identity.card(self.founded, issued=issued, **liberties)
        return peer

    @functools.cached_property
    def task(self):
        return bytes.fromhex(self.node.events("opened")[-1]["task"])

    @functools.cached_property
    def encoding(self):
        return self.node.config()["task"]["encoding"]

    def publish(self, name, values, **liberties):
        """A snapshot of this member, for all."""
        usual = {"founded": self.founded, "task": self.task, "readers": self.readers, "encoding": self.encoding}
        return publish(self.identities[name], values=values, **usual | liberties)

    def invite(self):
        """A new invitation of the node's."""
        made = json.loads(self.kith("invite", "--json", "--dir", self.node.directory))
        return Invitation.of_text(made["invite"])

    def knock(self, identity):
        """A connection of somebody who is no member."""
        return Connection(Wire.dial(self.node.port), identity, self.founded, self.itself)

    def successor(self, version, **changes):
        """The version after it, which expires a second later."""
        follows = {"number": version.number + 1, "previous": version.id(), "expires": version.expires + 1}
        for name in ("members", "stewards"):
            if name in changes:
                changes[name] = by_key(changes[name])
        return version.but(**follows | changes)

    def restart(self):
        """It is killed, and starts again from what it wrote."""
        self.node.kill()
        self.node.start()
        self.until("it is up again", lambda: self.node.status()["listening"], 30)

    def written(self):
        """What is in its charter file."""
        return read_charter_file((self.node.directory / "charter.kith").read_bytes())

    # What the node says of itself.

    def followed(self):
        """The number of the version of the charter."""
        return self.node.status()["charter"]["number"]

    def rivals(self):
        """Of it, that it knows."""
        return self.node.status()["charter"]["rivals"]

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
