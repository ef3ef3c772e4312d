#!/usr/bin/python3
"""Lets our secure channel talk to dissononce over TCP on the loopback interface, in both roles.

usage: noise_interop_test.py NOISE_PEER
Exits with status 77 if dissononce is not installed.
"""
import contextlib
import socket
import struct
import subprocess
import sys
import unittest

from dissononce_kith import REKEY_INTERVAL, DecryptFailedException, Direction, handshake, key_pair

NOISE_PEER = None
PROLOGUE = "kith interop"
RECORDS = 2 * REKEY_INTERVAL + 100   # each way, so that both sides rekey twice
TIMEOUT = 20   # seconds for any one step


class Wire:
    """Messages over a socket, each after its length in two bytes."""
    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(TIMEOUT)
        self.input = connection.makefile("rb")

    def send(self, message):
        self.connection.sendall(struct.pack(">H", len(message)) + message)

    def receive(self):
        """None if the other side has closed."""
        length = self.input.read(2)
        return self.input.read(*struct.unpack(">H", length)) if length else None


@contextlib.contextmanager
def peer(*arguments):
    with subprocess.Popen([NOISE_PEER, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def shake_hands(wire, state, payloads, first):
    """Runs our side of the handshake; the payloads read and the two cipherstates, ours to send with first."""
    received = []
    cipherstates = None
    for turn in range(3):
        if (turn % 2 == 0) == first:
            message = bytearray()
            cipherstates = state.write_message(payloads.pop(0), message)
            wire.send(bytes(message))
        else:
            payload = bytearray()
            cipherstates = state.read_message(wire.receive(), payload)
            received.append(bytes(payload))
    return received, [Direction(state) for state in (cipherstates if first else reversed(cipherstates))]


def record(index):
    return bytes((index + i) % 256 for i in range(index % 300))


class NoiseInterop(unittest.TestCase):
    def exchange_records(self, wire, sending, receiving):
        for index in range(RECORDS):
            wire.send(sending.seal(record(index)))
            self.assertEqual(receiving.open(wire.receive()), record(index), f"record {index}")
        largest = b"\xa5" * (65535 - 16)
        wire.send(sending.seal(largest))
        self.assertEqual(receiving.open(wire.receive()), largest)

    def test_ours_as_responder(self):
        with peer("listen", PROLOGUE) as process:
            port, key = process.stdout.readline().split()
            wire = Wire(socket.create_connection(("127.0.0.1", int(port)), TIMEOUT))
            state = handshake(True, PROLOGUE.encode(), key_pair(), bytes.fromhex(key))
            received, directions = shake_hands(wire, state, [b"from dissononce", b""], first=True)
            self.assertEqual(received, [b"from dissononce"])
            self.exchange_records(wire, *directions)
            wire.connection.shutdown(socket.SHUT_WR)
            self.assertEqual(process.wait(TIMEOUT), 0)

    def test_ours_as_initiator(self):
        static = key_pair()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(TIMEOUT)
            port = str(server.getsockname()[1])
            with peer("connect", PROLOGUE, port, static.public.data.hex()) as process:
                key = process.stdout.readline().strip()
                wire = Wire(server.accept()[0])
                state = handshake(False, PROLOGUE.encode(), static)
                received, directions = shake_hands(wire, state, [b"from dissononce"], first=False)
                self.assertEqual(received, [b"", b"from dissononce"])
                self.assertEqual(state.rs.data.hex(), key)
                self.exchange_records(wire, *directions)
                wire.connection.shutdown(socket.SHUT_WR)
                self.assertEqual(process.wait(TIMEOUT), 0)

    def test_ours_as_responder_is_silent_to_another_prologue(self):
        with peer("listen", PROLOGUE) as process:
            port, key = process.stdout.readline().split()
            wire = Wire(socket.create_connection(("127.0.0.1", int(port)), TIMEOUT))
            state = handshake(True, b"another", key_pair(), bytes.fromhex(key))
            message = bytearray()
            state.write_message(b"", message)
            wire.send(bytes(message))
            self.assertIsNone(wire.receive())
            self.assertEqual(process.wait(TIMEOUT), 1)

    def test_ours_as_initiator_trusts_only_the_key_it_was_given(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(TIMEOUT)
            port = str(server.getsockname()[1])
            with peer("connect", PROLOGUE, port, key_pair().public.data.hex()) as process:
                wire = Wire(server.accept()[0])
                state = handshake(False, PROLOGUE.encode(), key_pair())
                with self.assertRaises(DecryptFailedException):
                    state.read_message(wire.receive(), bytearray())
                wire.send(bytes(48))
                self.assertIsNone(wire.receive())
                self.assertEqual(process.wait(TIMEOUT), 1)


if __name__ == "__main__":
    NOISE_PEER = sys.argv.pop(1)
    unittest.main(verbosity=2)
