"""Peers that are not what they should be: every one gets a reason and a sentence, and the honest work on."""

import errno
import hashlib
import json
import pathlib
import re
import shutil
import socket
import struct
import sys
import threading
import unittest

import testnet
from testnet import Testnet, kith


class Babbler:
    """Listens, and says what is not Kith."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    connection.sendall(b"220 mail.example.org ESMTP\r\n" * 100)
        except OSError:
            return  # closed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def babble(port):
    """Dials, and says what is not Kith.  Returns once the node has hung up, without a word."""
    for noise in (b"GET / HTTP/1.1\r\nHost: kith\r\n\r\n", b"\0" * 4000, bytes(range(256)) * 16, b"\xff" * 100_000):
        with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
            try:
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b"", "the node answered a stranger"
            except OSError as error:  # it hung up before it had read everything
                assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN), error


sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "interop"))
try:
    import dissononce_kith as noise
except SystemExit:  # it is not installed
    noise = None

HELLO, GOODBYE, VERSION_MISMATCH = 0, 1, 6


class KeyFile:
    """The channel key of a node: docs/protocol.md, "Keys"."""

    def __init__(self, file):
        numbers = {name: bytes.fromhex(value) for name, value in re.findall(r"^(node|seed) ([0-9a-f]{64})$", file.read_text(), re.M)}
        self.node = numbers["node"]
        self.pair = noise.key_pair(hashlib.sha512(numbers["seed"]).digest()[:32])


class NewerMember:
    """A member that speaks the channel as we do, and a protocol that we do not: its Hello says version 7, and 6 at least."""

    def __init__(self, port, founded, server, own):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=15)
        state = noise.handshake(True, b"kith/4\n" + founded + server.node, own.pair, server.pair.public.data)
        for turn in range(3):
            if turn == 1:
                state.read_message(self.frame(), bytearray())
                continue
            message = bytearray()
            ciphers = state.write_message(b"", message)
            self.socket.sendall(struct.pack(">H", len(message)) + message)
        self.sending, self.receiving = noise.Direction(ciphers[0]), noise.Direction(ciphers[1])
        hello = struct.pack("<BBQ32s32s32sI", 7, 6, 0, own.node, server.node, b"t" * 32, 6) + b"kith 9"
        record = self.sending.seal(struct.pack("<IB", 1 + len(hello), HELLO) + hello)
        self.socket.sendall(struct.pack(">H", len(record)) + record)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "the node hung up without a word"
            data += part
        return data

    def frame(self):
        return self.exactly(struct.unpack(">H", self.exactly(2))[0])

    def goodbye(self):
        """The reason in the node's Goodbye."""
        stream = b""
        while True:
            stream += self.receiving.open(self.frame())
            while len(stream) >= 4 and len(stream) >= 4 + struct.unpack_from("<I", stream)[0]:
                length = struct.unpack_from("<I", stream)[0]
                message, stream = stream[4 : 4 + length], stream[4 + length :]
                if message[0] == GOODBYE:
                    return message[1]


class BadPeers(unittest.TestCase):
    def test_member_of_another_protocol_version_is_told_so_and_so_is_the_operator(self):
        if noise is None:
            self.skipTest("install python3-dissononce")
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            honest, newer = net.nodes
            founded = bytes.fromhex(charter(honest, "show", "--json")["founded_id"])
            honest.start()
            net.wait_for_rounds(1, 60, [honest])
            keys = [KeyFile(node.directory / "channel.key") for node in (honest, newer)]
            peer = NewerMember(honest.port, founded, *keys)
            with peer.socket:
                self.assertEqual(peer.goodbye(), VERSION_MISMATCH)
            self.check(net, honest, {newer: ("version_mismatch", "upgrade the older one")})
            net.wait_for_rounds(3, 30, [honest])

    def test_each_is_named_with_the_reason_and_what_to_do_and_the_honest_go_on(self):
        settings = testnet.QUICK | {"learning.strategy": "fedavg"}
        with Testnet(nodes=7, settings=settings) as net:
            honest, friend, other_consortium, other_task, stranger, _, absent = net.nodes
            other_task.configure({"task.seed": 4711})
            babbler = net.nodes[5]
            proposal = charter(honest, "propose", "--json", "--remove", stranger.name)["file"]
            charter(honest, "sign", "--json", proposal)
            charter(honest, "merge", "--json", proposal)
            for node in net.nodes:
                if node not in (honest, stranger):
                    shutil.copy(honest.directory / "charter.kith", node.directory)
            another = net.directory / "another.kith"
            charter(other_consortium, "found", "--json", "--consortium", "another", "--out", another)
            charter(other_consortium, "adopt", "--json", another)
            with Babbler(babbler.port):
                for node in (honest, friend, other_consortium, other_task, stranger):
                    node.start()
                net.wait_for_rounds(1, 60, [honest, friend])
                babble(honest.port)
                self.check(net, honest, {
                    friend: None,
                    other_consortium: ("handshake_failed", "in the same consortium"),
                    other_task: ("other_task", "make the [task] sections"),
                    babbler: ("handshake_failed", "check that the address leads to Kith"),
                    absent: ("unreachable", "check them, the firewall, and whether the node runs"),
                })  # fmt: skip
                # And the other way round: each finds out by itself.
                self.check(net, other_task, {honest: ("other_task", "make the [task] sections")})
                self.check(net, stranger, {honest: ("not_a_member", "compare the versions of the charter")})

                # The first thing that their operators look at says so, too.
                ours, theirs = (node.config()["task"].get("seed", 0) for node in (honest, other_task))
                differs = {field["field"]: field for field in honest.status()["other_tasks"][0]["differs"]}
                self.assertEqual(set(differs), {"initial_model", "seed"})
                self.assertEqual((differs["seed"]["ours"], differs["seed"]["theirs"]), (str(ours), str(theirs)))
                self.assertIn(f"{honest.name} learns another task (", kith("status", "--dir", other_task.directory).stdout)
                self.assertIn(honest.name, stranger.status()["refused_by"])

                # Who is nobody's member leaves a trace in the log, though not at every attempt.
                unknown = [e for e in honest.events("connection_failed") if e["peer"] == "unknown"]
                self.assertTrue(unknown)
                self.assertLessEqual({e["reason"] for e in unknown}, {"handshake_failed", "not_a_member"})
                self.assertTrue(all(e["address"] and e["help"] for e in unknown))
                net.wait_for_rounds(5, 30)  # everyone, be it alone
                self.assertTrue(honest.peers()[friend.name]["averaged"])
                averaged = {member["name"] for report in honest.rounds(100) for member in report["members"]}
                self.assertEqual(averaged, {friend.name})
                self.assertEqual([n.stop() for n in net.nodes if n.running()], [0] * 5)

    def check(self, net, node, expected):
        """`kith peers --json` says so, and the log too."""
        for peer, trouble in expected.items():
            last = None

            def told():
                nonlocal last
                last = kith_peers(node)[peer.name]
                if trouble is None:
                    return last["connected"]
                return last["trouble"] and last["trouble"]["reason"] == trouble[0]

            try:
                net.wait(f"{node.name} says what is wrong with {peer.name}", told, 20)
            except AssertionError as error:
                error.add_note(str(last))
                raise
            if trouble is None:
                continue
            reason, sentence = trouble
            self.assertFalse(last["connected"])
            self.assertIn(sentence, last["trouble"]["help"])
            logged = [e for e in node.events("connection_failed") + node.events("peer_disconnected")
                      if e["peer"] == peer.name and e["reason"] == reason]  # fmt: skip
            self.assertTrue(logged, f"{node.name} logged nothing about {peer.name}")
            self.assertIn(sentence, logged[0]["help"])


def kith_peers(node):
    asked = kith("peers", "--json", "--dir", node.directory)
    if asked.returncode != 0:
        raise OSError(asked.stderr)
    return {peer["name"]: peer for peer in json.loads(asked.stdout)}


def charter(node, verb, *arguments):
    made = kith("charter", verb, "--dir", node.directory, *arguments)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


if __name__ == "__main__":
    testnet.main()
