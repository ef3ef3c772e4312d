"""What a node withstands. Each test is an attack; after each, `unharmed` looks at what the attack was to harm.

The node keeps working all along: it trains, publishes, and fetches what it is offered. Attackers are members, for who
is not gets no further than the handshake; each is another one, so that no attack inherits what the last left behind.
Attacks that need patience begin before the first test and are judged at the end.
"""
import concurrent.futures
import contextlib
import math
import os
import random
import re
import socket
import struct
import time

import kith_peer
import pytest
from nacl.signing import SigningKey
from scene import Scene
from kith_peer import (
    CHUNK, LARGEST_MESSAGE, LARGEST_SMALL_MESSAGE, MANIFEST, VERSION, Apply, Cancel, Card, CardList, Cards, CharterHead,
    CharterVersion, CharterWanted, Closed, Evidence, Fetch, Goodbye, Have, Head, Heads, Hello, Holding, Identity, Known,
    Link, Peer, Piece, Ping, Pong, SignedVersion, Steward, Summary, TaskManifest, Unavailable, Wanted, Wire, digest,
    encode_message, encrypt, node_id, sign_head, sign_version,
)  # fmt: skip

MIB = 1 << 20
MEMORY = 64 * MIB  # that the network process may have resident more than before the first attack
DESCRIPTORS = 16  # that it may have open more than then: connections of those who attack slowly
MEMBERS = 480


class Theatre(Scene):
    """A scene with an audience: an honest member that stays connected, and sees what the node knows."""

    def __init__(self):
        self.unused = [f"member-{number}" for number in range(MEMBERS)]
        self.hang_up = socket.create_server(("127.0.0.1", 0))
        super().__init__(["honest", "unwilling", *self.unused], {"unwilling": self.hang_up.getsockname()[1]})
        self.allowed = set()  # snapshots that the node may know, beside its own
        self.convicted = set()  # who lied, and was found out
        self.pool = concurrent.futures.ThreadPoolExecutor(10)

    def __enter__(self):
        super().__enter__()
        self.honest = self.join("honest")
        self.honest.wait("the node's head", self.newest, 30)
        self.values = self.honest.fetch_snapshot(self.newest()).open(self.honest.peer.identity, self.encoding)
        self.stable = self.allow(self.publish("honest", self.values))  # for as long as the test lasts
        self.offer(self.honest, self.stable)
        serve_together([self.honest], "it averages with it", lambda: self.told("honest")["averaged"], 30)
        self.memory_before = self.memory()
        self.descriptors_before = self.descriptors()
        self.patient = {attack: self.pool.submit(attack, self) for attack in PATIENT_ATTACKS}
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        with contextlib.suppress(OSError):
            self.hang_up.shutdown(socket.SHUT_RDWR)
        self.pool.shutdown()
        self.hang_up.close()

    def newest(self):
        return self.honest.peer.newest(self.itself.node_key)

    def name(self):
        """Of a member that has done nothing yet."""
        return self.unused.pop(0)

    def attacker(self, **options):
        """Its connection."""
        return self.join(self.name(), **options)

    def allow(self, snapshot):
        self.allowed.add(snapshot.id())
        return snapshot

    def offer(self, link, snapshot):
        link.peer.hold(snapshot)
        link.send(Heads([snapshot.head]))

    def knows(self, snapshot):
        return snapshot.id() in self.honest.ask_what_it_knows()

    def foreign(self):
        """Snapshots that the node knows, beside its own and those it may know."""
        known = self.honest.ask_what_it_knows()
        heads = self.honest.peer.heads
        self.honest.wait("the heads of all that it knows", lambda: known.keys() <= heads.keys())
        return {
            snapshot for snapshot in known.keys() - self.allowed
            if Head.decode(heads[snapshot].head).origin != self.itself.node_key
        }  # fmt: skip

    def serves(self, link):
        """Sound pieces."""
        snapshot = self.stable.id()
        link.ping()
        assert link.fetch(snapshot, MANIFEST) == self.stable.manifest
        number = random.randrange(4)
        assert link.fetch(snapshot, number) == self.stable.chunks[number]


@pytest.fixture(scope="module")
def scene():
    with Theatre() as scene:
        yield scene


@pytest.fixture(autouse=True)
def unharmed(scene):
    """It lives and learns, serves the honest within seconds, is not bloated, and took nothing that it should not."""
    rounds, foreign = scene.node.finished(), scene.foreign()
    yield
    scene.serves(scene.honest)
    assert scene.foreign() <= foreign
    assert scene.memory() - scene.memory_before < MEMORY
    scene.until("what it no longer needs is closed", lambda: scene.descriptors() - scene.descriptors_before < DESCRIPTORS)
    scene.until("another round", lambda: scene.node.finished() > rounds, 30)
    honest = scene.told("honest")
    assert honest["connected"] and honest["averaged"] and not honest["trouble"]


def serve_together(links, what, condition, seconds):
    """Lets several connections behave until condition() is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain for: {what}"
        for link in links:
            link.serve(0.02)


def ended(scene, link, reason):
    """Whether the node's operator is told that it ended so."""
    name = link.peer.identity.name
    return scene.until(f"{name}: {reason}", lambda: scene.log("peer_disconnected", name, reason=reason)
                       or scene.log("connection_failed", name, reason=reason))  # fmt: skip


# --- Strangers -----------------------------------------------------------------------------------

NOISES = {
    "http": b"GET / HTTP/1.1\r\nHost: kith\r\n\r\n",
    "zeros": bytes(4000),
    "all_bytes": bytes(range(256)) * 16,
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(500),
    "longest_frame": b"\xff" * 100_000,
    "empty_frame": b"\0\0",
    "frame_of_257_bytes": struct.pack(">H", 257),
    "frame_1_of_47_bytes": struct.pack(">H", 47) + bytes(range(47)),
    "frame_1_of_49_bytes": struct.pack(">H", 49) + bytes(range(49)),
    "ephemeral_key_of_low_order": struct.pack(">H", 48) + bytes(48),
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
def test_garbage_before_the_handshake(scene, noise):
    with Wire.dial(scene.node.port) as wire:
        with contextlib.suppress(Closed):
            wire.send_bytes(noise)
        assert wire.silent_end(5)


class Handshake:
    """The initiator's side, step by step, for whoever wants to do one of them wrong."""

    def __init__(self, scene, text=None, remote=None, identity=None):
        self.wire = Wire.dial(scene.node.port)
        static = kith_peer.noise.key_pair((identity or Identity("stranger")).channel_secret)
        text = kith_peer.prologue(scene.founded, scene.itself.node_key) if text is None else text
        remote = kith_peer.x25519(remote or scene.itself.channel_key)
        self.state = kith_peer.noise.handshake(True, text, static, remote)

    def frame(self, payload=b""):
        message = bytearray()
        self.state.write_message(payload, message)
        return bytes(message)

    def read(self):
        self.state.read_message(self.wire.receive_frame(), bytearray())


PROLOGUES = {
    "of_another_consortium": lambda scene: kith_peer.prologue(digest(b"another"), scene.itself.node_key),
    "for_another_node": lambda scene: kith_peer.prologue(scene.founded, scene.identities["honest"].node_key),
    "of_an_older_protocol": lambda scene: b"kith/1 interop",
    "of_a_newer_protocol": lambda scene: kith_peer.prologue(scene.founded, scene.itself.node_key).replace(b"/4", b"/5"),
    "empty": lambda scene: b"",
}


@pytest.mark.parametrize("text", PROLOGUES.values(), ids=PROLOGUES.keys())
def test_wrong_prologue(scene, text):
    handshake = Handshake(scene, text=text(scene))
    with handshake.wire as wire:
        wire.send_frame(handshake.frame())
        assert wire.silent_end(5)


def test_handshake_for_the_key_of_another_node(scene):
    handshake = Handshake(scene, remote=Identity("another").channel_key)
    with handshake.wire as wire:
        wire.send_frame(handshake.frame())
        assert wire.silent_end(5)


def test_payload_in_the_first_handshake_frame(scene):
    handshake = Handshake(scene)
    with handshake.wire as wire:
        wire.send_frame(handshake.frame(b"hello"))
        assert wire.silent_end(5)


@pytest.mark.parametrize("spoil", [
    lambda frame: bytes([frame[0] ^ 1]) + frame[1:],
    lambda frame: frame[:-1] + bytes([frame[-1] ^ 0x80]),
    lambda frame: frame[:-1],
    lambda frame: frame + b"\0",
    lambda frame: b"",
], ids=["first_bit", "last_bit", "cut", "longer", "empty"])  # fmt: skip
def test_altered_last_handshake_frame(scene, spoil):
    handshake = Handshake(scene, identity=scene.identities["honest"])
    with handshake.wire as wire:
        wire.send_frame(handshake.frame())
        handshake.read()
        wire.send_frame(spoil(handshake.frame()))
        assert wire.silent_end(5)


def test_payload_in_the_last_handshake_frame(scene):
    handshake = Handshake(scene, identity=scene.identities["honest"])
    with handshake.wire as wire:
        wire.send_frame(handshake.frame())
        handshake.read()
        wire.send_frame(handshake.frame(b"hello"))
        assert wire.silent_end(5)


def test_replayed_handshake(scene):
    """The frames of a whole handshake of a member, recorded and sent again."""
    handshake = Handshake(scene, identity=scene.identities["honest"])
    recorded = [handshake.frame()]
    with handshake.wire as wire:
        wire.send_frame(recorded[0])
        handshake.read()
        recorded.append(handshake.frame())  # kept back: the honest member's connection goes on
    with Wire.dial(scene.node.port) as wire:
        wire.send_frame(recorded[0])
        assert len(wire.receive_frame()) == 48  # of no use to who has not the keys
        wire.send_frame(recorded[1])
        assert wire.silent_end(5)


def test_who_is_not_a_member(scene):
    stranger = Peer(Identity("stranger"), scene.founded, scene.task)
    for first in ([], [Cards([stranger.card()])]):
        with stranger.dial(scene.node.port, scene.itself, greet=False) as link:
            link.send(*first, link.own_hello())
            assert link.end(5) == "not_a_member"


def test_node_says_nothing_before_the_initiator_does(scene):
    with scene.attacker(greet=False) as link:
        with pytest.raises(TimeoutError):
            link.receive(1)


def test_crowd_of_half_open_connections(scene):
    """At most 8 of one network wait; for who comes then, one of them is sent away without a word."""
    crowd = [Wire.dial(scene.node.port) for _ in range(200)]
    try:
        start = time.monotonic()
        with scene.attacker() as link:
            link.ping()
        assert time.monotonic() - start < 5
        gone = 0
        for wire in crowd:
            with contextlib.suppress(TimeoutError):
                gone += wire.silent_end(0.01)
        assert gone >= 200 - 8
    finally:
        for wire in crowd:
            wire.close()


# --- Records -------------------------------------------------------------------------------------


def test_forged_record(scene):
    with scene.attacker() as link:
        record = bytearray(link.sending.seal(b"anything"))
        record[3] ^= 0x10
        link.send_frame(bytes(record))
        assert link.end(5) is None
        assert ended(scene, link, "forged")


def test_replayed_record(scene):
    with scene.attacker() as link:
        message = encode_message(Ping(1))
        record = link.sending.seal(struct.pack("<I", len(message)) + message)
        link.send_frame(record)
        link.wait("the Pong", lambda: link.pongs == [1])
        link.send_frame(record)
        assert link.end(5) is None
        assert ended(scene, link, "forged")


def test_record_left_out(scene):
    with scene.attacker() as link:
        link.sending.seal(b"never sent")
        link.send(Ping(1))
        assert link.end(5) is None
        assert ended(scene, link, "forged")


@pytest.mark.parametrize("record", [b"", b"\0", bytes(15), bytes(16)], ids=len)
def test_record_too_short_to_be_one(scene, record):
    with scene.attacker() as link:
        link.send_frame(record)
        assert link.end(5) is None
        assert ended(scene, link, "forged")


def test_key_not_replaced_after_1024_records(scene):
    with scene.attacker() as link:
        link.sending._done = lambda result: result  # never again
        with contextlib.suppress(Closed):
            for _ in range(1030):
                link.send_record(b"")
        assert link.end(5) is None
        assert ended(scene, link, "forged")


def test_half_a_frame_and_gone(scene):
    for reset in (False, True):
        link = scene.attacker()
        link.send_bytes(struct.pack(">H", 60000) + bytes(30000))
        if reset:
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
        assert ended(scene, link, "connection_lost")


# --- Messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [LARGEST_MESSAGE + 1, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF])
def test_message_announced_too_long(scene, length):
    """The end comes at once: nobody waits for the bytes."""
    with scene.attacker() as link:
        link.send_record(struct.pack("<I", length))
        assert link.end(5) == "oversized"


A_HASH = digest(b"no snapshot")
A_HEAD = bytes(233 + 64)


def counted(kind, count, rest=b""):
    """The beginning of a message that is a list."""
    return bytes([kith_peer.MESSAGES.index(kind)]) + struct.pack("<I", count) + rest


def counted_after(kind, count, rest):
    """The same, where the snapshot comes first."""
    return counted(kind, count)[:1] + A_HASH + struct.pack("<I", count) + rest


MALFORMED = {
    "empty_message": b"",
    "unknown_type": bytes([200]) + bytes(10),
    "highest_type": b"\xff",
    "ping_cut": encode_message(Ping(1))[:-1],
    "ping_with_a_byte_left_over": encode_message(Ping(1)) + b"\0",
    "goodbye_without_reason": encode_message(Goodbye(0))[:-1],
    "goodbye_with_unknown_reason": encode_message(Goodbye(200)),
    "heads_65": counted(Heads, 65, A_HEAD * 65),
    "heads_of_4_billion": counted(Heads, 0xFFFFFFFF, A_HEAD),
    "heads_more_than_there_are": counted(Heads, 2, A_HEAD),
    "heads_fewer_than_there_are": counted(Heads, 1, A_HEAD * 2),
    "heads_cut": counted(Heads, 1, A_HEAD[:-1]),
    "heads_without_a_list": counted(Heads, 0)[:3],
    "summary_of_1025": counted(Summary, 1025, (A_HASH + b"\0") * 1025 + b"\1"),
    "summary_of_4_billion": counted(Summary, 0xFFFFFFFF),
    "summary_cut": counted(Summary, 1, A_HASH + b"\0"),
    "summary_complete_is_2": counted(Summary, 1, A_HASH + b"\2\1"),
    "summary_answer_is_255": counted(Summary, 1, A_HASH + b"\1\xff"),
    "holding_cut": encode_message(Holding(A_HASH))[:-1],
    "fetch_cut": encode_message(Fetch(A_HASH, 1))[:-1],
    "fetch_with_bytes_left_over": encode_message(Fetch(A_HASH, 1)) + bytes(4),
    "piece_shorter_than_it_says": encode_message(Piece(A_HASH, 0, bytes(100)))[:-1],
    "piece_of_4_billion_bytes": encode_message(Piece(A_HASH, 0, b""))[:-4] + b"\xff" * 4,
    "have_of_8193": counted_after(Have, 8193, bytes(4 * 8193)),
    "have_of_4_billion": counted_after(Have, 0xFFFFFFFF, bytes(4)),
    "wanted_relay_is_2": encode_message(Wanted(A_HASH, False))[:-1] + b"\2",
    "cancel_cut": encode_message(Cancel(A_HASH, 1))[:-1],
    "evidence_of_one_head": counted(Evidence, 0)[:1] + A_HEAD,
    "evidence_of_three_heads": counted(Evidence, 0)[:1] + A_HEAD * 3,
    "unavailable_busy_is_2": encode_message(Unavailable(A_HASH, 1, False))[:-1] + b"\2",
    "cards_17": counted(Cards, 17),
    "cards_cut": counted(Cards, 1, bytes(100)),
    "card_list_of_513": counted(CardList, 513, A_HASH * 513),
    "charter_wanted_cut": encode_message(CharterWanted(1))[:-1],
    "heads_over_65536_bytes": counted(Heads, 64, bytes(LARGEST_SMALL_MESSAGE)),
    "holding_of_half_a_megabyte": encode_message(Holding(A_HASH)) + bytes(500_000),
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_message(scene, message):
    with scene.attacker() as link:
        link.send_encoded(message)
        assert link.end(5) == "malformed"


@pytest.mark.parametrize("message", [
    Ping(1), Heads([]), Summary([], True), Holding(A_HASH), Fetch(A_HASH, MANIFEST), Piece(A_HASH, 0, b"x"),
    Unavailable(A_HASH, 0, False), Have(A_HASH, []), Wanted(A_HASH, True), Cancel(A_HASH, 0),
], ids=lambda message: type(message).__name__)  # fmt: skip
def test_message_before_hello(scene, message):
    with scene.attacker(greet=False) as link:
        link.send(message)
        assert link.end(5) == "malformed"


def test_second_hello(scene):
    with scene.attacker() as link:
        link.send(link.own_hello())
        assert link.end(5) == "malformed"


HELLOS = {
    "too_new": (lambda scene, hello: hello.but(version=VERSION + 5, oldest=VERSION + 1), "version_mismatch"),
    "too_old": (lambda scene, hello: hello.but(version=VERSION - 1, oldest=1), "version_mismatch"),
    "agent_of_65_bytes": (lambda scene, hello: hello.but(agent="a" * 65), "malformed"),
    "to_another": (lambda scene, hello: hello.but(receiver=scene.identities["honest"].node_key), "wrong_peer"),
    "to_itself": (lambda scene, hello: hello.but(receiver=hello.sender), "wrong_peer"),
    "to_nobody": (lambda scene, hello: hello.but(receiver=bytes(32)), "wrong_peer"),
    "from_another_member": (lambda scene, hello: hello.but(sender=scene.identities["honest"].node_key), "outdated_key"),
    "from_the_node_itself": (lambda scene, hello: hello.but(sender=scene.itself.node_key), "not_a_member"),
    "from_a_stranger": (lambda scene, hello: hello.but(sender=Identity("stranger").node_key), "not_a_member"),
    "from_nobody": (lambda scene, hello: hello.but(sender=bytes(32)), "not_a_member"),
}


@pytest.mark.parametrize("change, reason", HELLOS.values(), ids=HELLOS.keys())
def test_hello_that_does_not_fit(scene, change, reason):
    with scene.attacker(greet=False) as link:
        link.send(change(scene, link.own_hello()))
        assert link.end(5) == reason
    scene.honest.ping()


def test_hello_in_the_name_of_another_shows_nothing_but_its_card(scene):
    with scene.attacker(greet=False) as link:
        link.send(link.own_hello(sender=scene.identities["honest"].node_key))
        assert link.receive() == Cards([scene.cards["honest"]])
        assert link.receive() == Goodbye(kith_peer.REASONS.index("outdated_key"))


def test_manifest_of_a_task_that_the_hello_did_not_name(scene):
    name = scene.name()
    with scene.join(name, greet=False) as link:
        link.send(link.own_hello(task=digest(b"another")))
        link.send(TaskManifest("kith task\nname=other\n"))
        assert link.end(5) == "other_task"
    assert scene.told(name)["other_task"] is None


@pytest.mark.parametrize("task", ["ours", "another"])
def test_instead_of_or_without_being_asked_for_a_manifest(scene, task):
    with scene.attacker(greet=False) as link:
        ours = task == "ours"
        link.send(link.own_hello(task=scene.task if ours else digest(b"another")))
        link.send(TaskManifest("a=1") if ours else Ping(1))
        assert link.end(5) == "malformed"


def test_hello_with_bytes_left_over(scene):
    with scene.attacker(greet=False) as link:
        link.send_encoded(encode_message(link.own_hello()) + b"\0")
        assert link.end(5) == "malformed"


def test_many_connections_of_one_member(scene):
    """Only the newest stays."""
    name = scene.name()
    links = [scene.join(name) for _ in range(20)]
    try:
        assert {link.end(5) for link in links[:-1]} == {"duplicate"}
        links[-1].ping()
    finally:
        for link in links:
            link.close()


def test_member_that_comes_and_goes(scene):
    name = scene.name()
    for _ in range(50):
        scene.join(name, greet=False).close()
    with scene.join(name) as link:
        link.ping()


def test_more_members_than_it_keeps(scene):
    """It has 32; who comes then and needs company is let in for one that does not, and nobody else is."""
    links = [scene.attacker(features=0) for _ in range(40)]
    try:
        with contextlib.ExitStack() as needy:
            crowded = [link for link in links if ended_with(link, "crowded")]
            assert 8 <= len(crowded) < 16  # the honest one and the patient take part
            for _ in range(3):
                needy.enter_context(scene.attacker()).ping()
            rotated = [link for link in links if link not in crowded and ended_with(link, "rotated")]
            assert rotated == [link for link in links if link not in crowded][:3]
    finally:
        for link in links:
            link.close()


def ended_with(link, reason):
    """Whether it has ended, and if so, as it should."""
    try:
        assert link.end(0.1) == reason
    except TimeoutError:
        return False
    return True


# --- Floods --------------------------------------------------------------------------------------


def stream(messages):
    encoded = map(encode_message, messages)
    return b"".join(struct.pack("<I", len(message)) + message for message in encoded)


def flood(scene, link, data, seconds=4):
    """Sends as much of it as the node takes, without ever reading; has the node time for an honest member meanwhile?"""
    end = time.monotonic() + seconds

    def send():
        with contextlib.suppress(Closed, TimeoutError):
            for at in range(0, len(data), kith_peer.LARGEST_RECORD):
                link.send_record(data[at : at + kith_peer.LARGEST_RECORD], max(end - time.monotonic(), 0.001))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        worst = 0
        while not sending.done():
            start = time.monotonic()
            scene.honest.ping(10)
            worst = max(worst, time.monotonic() - start)
            time.sleep(0.05)
        sending.result()
    assert worst < 2, f"an honest member waited {worst:.1f} s"


def test_flood_of_pings(scene):
    with scene.attacker() as link:
        flood(scene, link, stream([Ping(7)]) * 100_000)


def test_flood_of_summaries(scene):
    with scene.attacker() as link:
        summary = Summary([Known(digest(struct.pack("<I", i)), True) for i in range(1024)], False)
        flood(scene, link, stream([summary]) * 400)


def test_flood_of_holdings_of_unknown_snapshots(scene):
    with scene.attacker() as link:
        flood(scene, link, stream(Holding(digest(struct.pack("<I", i))) for i in range(50_000)))


def test_flood_of_heads_with_wrong_signatures(scene):
    with scene.attacker() as link:
        head = Head.decode(scene.publish(link.peer.identity.name, scene.values).head.head)
        forged = [kith_peer.SignedHead(head.but(sequence=i + 1).encode(), os.urandom(64)) for i in range(6400)]
        flood(scene, link, stream(Heads(forged[at : at + 64]) for at in range(0, 6400, 64)))


def test_flood_of_heads_of_its_own(scene):
    """Two of an origin are kept, however many it signs."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        first = Head.decode(scene.publish(name, scene.values).head.head)
        heads = [sign_head(first.but(sequence=i + 1), scene.identities[name]) for i in range(640)]
        for head in heads:
            scene.allowed.add(head.id())
        flood(scene, link, stream(Heads(heads[at : at + 64]) for at in range(0, 640, 64)))
        known = scene.honest.ask_what_it_knows()
        assert len(known.keys() & {head.id() for head in heads}) <= 2


def test_flood_of_fetches_without_reading_the_answers(scene):
    with scene.attacker() as link:
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        flood(scene, link, stream([Fetch(A_HASH, 1)]) * 100_000)


def test_flood_of_fetches_of_what_there_is(scene):
    """Each is answered, by a piece or by a word."""
    with scene.attacker() as link:
        answers = []
        link.on_piece = link.on_unavailable = answers.append
        link.send(*[Fetch(scene.stable.id(), i % 4) for i in range(500)])
        link.wait("all answers", lambda: len(answers) == 500, 20)


def test_flood_of_pieces_that_nobody_asked_for(scene):
    with scene.attacker() as link:
        flood(scene, link, stream([Piece(scene.stable.id(), 0, bytes(CHUNK + 16))]) * 60)


def test_flood_of_wishes(scene):
    """To be told what the node holds of everything and nothing, and to be relayed it."""
    with scene.attacker() as link:
        snapshots = [digest(struct.pack("<I", i)) for i in range(10_000)] + [scene.stable.id()] * 10_000
        flood(scene, link, stream(Wanted(snapshot, i % 2 == 1) for i, snapshot in enumerate(snapshots)))


def test_flood_of_cancels(scene):
    with scene.attacker() as link:
        flood(scene, link, stream([Cancel(scene.stable.id(), 1), Cancel(A_HASH, 7)]) * 20_000)


def test_fetches_taken_back_at_once(scene):
    """Whoever asks and takes it back again and again gets nothing for it that he has not asked for."""
    with scene.attacker() as link:
        fetch, cancel = Fetch(scene.stable.id(), 1), Cancel(scene.stable.id(), 1)
        link.send(*[fetch, cancel] * 500)
        link.ping(20)


@pytest.mark.parametrize("piece", [4, 5000, MANIFEST - 1], ids=hex)
def test_fetch_of_a_piece_that_does_not_exist(scene, piece):
    with scene.attacker() as link:
        assert link.fetch(scene.stable.id(), piece) == "unavailable"


@pytest.mark.parametrize("piece", [0, MANIFEST], ids=hex)
def test_fetch_of_an_unknown_snapshot(scene, piece):
    with scene.attacker() as link:
        assert link.fetch(A_HASH, piece) == "unavailable"


# --- Heads ---------------------------------------------------------------------------------------


def test_head_with_a_wrong_signature(scene):
    with scene.attacker() as link:
        snapshot = scene.publish(link.peer.identity.name, scene.values)
        snapshot.head.signature = bytes([snapshot.head.signature[0] ^ 1]) + snapshot.head.signature[1:]
        scene.offer(link, snapshot)
        link.ping()
        assert scene.until("the operator is told", lambda: scene.log("peer_accused", link.peer.identity.name))


def test_head_signed_for_another_consortium(scene):
    with scene.attacker() as link:
        scene.offer(link, scene.publish(link.peer.identity.name, scene.values, founded=digest(b"another")))
        link.ping()


def test_head_that_names_another_key(scene):
    """Signed by it, or by that of the card."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        scene.offer(link, kith_peer.publish(Identity(name, 1), scene.founded, scene.task, scene.values, scene.readers))
        scene.offer(link, scene.publish(name, scene.values, key=Identity(name, 1).channel_key))
        scene.offer(link, scene.publish(name, scene.values, key=scene.identities["honest"].channel_key))
        link.ping()


def test_head_signed_by_the_node_key(scene):
    with scene.attacker() as link:
        snapshot = scene.publish(link.peer.identity.name, scene.values)
        snapshot.head.signature = link.peer.identity.sign(b"kith head 3\n" + snapshot.head.head)
        scene.offer(link, snapshot)
        link.ping()
        assert scene.until("the operator is told", lambda: scene.log("peer_accused", link.peer.identity.name))


def test_head_of_who_is_not_a_member(scene):
    with scene.attacker() as link:
        stranger = Identity("stranger")
        scene.offer(link, kith_peer.publish(stranger, scene.founded, scene.task, scene.values, scene.readers))
        link.ping()


def test_head_in_the_name_of_the_node_itself(scene):
    with scene.attacker() as link:
        for key in (scene.itself.channel_key, link.peer.identity.channel_key):
            false = {"origin": scene.itself.node_key, "key": key, "sequence": 1 << 40}
            scene.offer(link, scene.publish(link.peer.identity.name, scene.values, **false))
        link.ping()


def test_head_of_another_task(scene):
    with scene.attacker() as link:
        scene.offer(link, scene.publish(link.peer.identity.name, scene.values, task=digest(b"another")))
        link.ping()


HEADS = {
    "of_an_older_format": {"format": 2},
    "of_an_unknown_format": {"format": 77},
    "of_size_0": {"size": 0},
    "of_over_4_gib": {"size": (4 << 30) + 1},
    "of_the_largest_size": {"size": (1 << 64) - 1},
    "with_a_manifest_over_its_limit": {"manifest_size": 360494},
    "with_a_manifest_of_4_gib": {"manifest_size": 0xFFFFFFFF},
    "with_sequence_0": {"sequence": 0},
}


@pytest.mark.parametrize("fields", HEADS.values(), ids=HEADS.keys())
def test_signed_head(scene, fields):
    """Signed by a member, and yet no head."""
    with scene.attacker() as link:
        scene.offer(link, scene.publish(link.peer.identity.name, scene.values, **fields))
        with contextlib.suppress(Closed):
            link.ping()


def test_two_heads_for_one_position(scene):
    """Proof of a lie: all that this origin ever said is dropped, and nothing more is taken."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        one, other = (scene.publish(name, scene.values, sequence=5, log=1000, round=i) for i in (1, 2))
        scene.offer(link, scene.allow(one))
        scene.until("it knows the first", lambda: scene.knows(one))
        scene.allowed.discard(one.id())
        with contextlib.suppress(Closed):
            scene.offer(link, other)
            scene.offer(link, scene.publish(name, scene.values, sequence=6, log=1000))
            link.serve(0.5)
        assert scene.until("it is quarantined", lambda: scene.told(name)["quarantined"])
        scene.convicted.add(scene.identities[name].node_key)
        scene.honest.wait("all are told", lambda: scene.convicted <= scene.honest.peer.liars)
        scene.until("all is dropped", lambda: not {one.id(), other.id()} & scene.honest.ask_what_it_knows().keys())


def evidence(scene, name, **second):
    """Of this member's lie, or what the changes to its second head make of it."""
    identity = scene.identities[name]
    head = Head.decode(scene.publish(name, scene.values, sequence=5, log=1000).head.head)
    heads = [sign_head(head, identity), sign_head(head.but(round=9).but(**second), identity)]
    return Evidence(*sorted(heads, key=lambda signed: signed.head))


NO_EVIDENCE = {
    "of_one_head_twice": lambda scene, name: evidence(scene, name, round=1),
    "of_two_positions": lambda scene, name: evidence(scene, name, sequence=6),
    "of_two_logs": lambda scene, name: evidence(scene, name, log=1001),
    "of_two_origins": lambda scene, name: evidence(scene, name, origin=scene.identities["honest"].node_key),
    "of_two_keys": lambda scene, name: evidence(scene, name, key=Identity(name, 1).channel_key),
    "of_two_consortia": lambda scene, name: evidence(scene, name, founded=digest(b"another")),
    "in_the_other_order": lambda scene, name: Evidence(*reversed(list(vars(evidence(scene, name)).values()))),
    "without_a_right_signature": lambda scene, name: (
        lambda made: made.but(second=made.second.but(signature=bytes(64))))(evidence(scene, name)),
    "of_heads_that_are_none": lambda scene, name: evidence(scene, name, size=0),
    "against_the_node_itself": lambda scene, name: (
        lambda signed: Evidence(signed, signed.but(signature=bytes(64))))(scene.newest()),
}  # fmt: skip


@pytest.mark.parametrize("make", NO_EVIDENCE.values(), ids=NO_EVIDENCE.keys())
def test_evidence(scene, make):
    """It proves nothing: nobody is quarantined, and nobody is told."""
    with scene.attacker() as link:
        name = scene.name()
        with contextlib.suppress(Closed):
            link.send(make(scene, name))
            link.serve(0.3)
        assert not scene.told(name)["quarantined"] and not scene.told("honest")["quarantined"]
        assert not scene.honest.peer.liars - scene.convicted


def test_evidence_against_who_is_not_a_member(scene):
    with scene.attacker() as link:
        scene.identities["stranger"] = Identity("stranger")
        link.send(evidence(scene, "stranger"))
        link.ping()
        assert not scene.honest.peer.liars - scene.convicted


def test_evidence_against_a_former_key(scene):
    """It says nothing of the one that counts now."""
    name = scene.name()
    made = evidence(scene, name)
    with scene.renew(name).dial(scene.node.port, scene.itself) as link:
        link.ping()
        link.send(made)
        link.ping()
        assert not scene.told(name)["quarantined"]
        assert not scene.honest.peer.liars - scene.convicted


def test_liar_with_another_key_is_heard_again(scene):
    name = scene.name()
    with scene.join(name) as link:
        link.send(evidence(scene, name))
        scene.until("it is quarantined", lambda: scene.told(name)["quarantined"])
        scene.convicted.add(link.peer.identity.node_key)
    with scene.renew(name).dial(scene.node.port, scene.itself) as link:
        link.ping()
        assert not scene.told(name)["quarantined"]
        snapshot = kith_peer.publish(link.peer.identity, scene.founded, scene.task, scene.values, scene.readers)
        scene.offer(link, scene.allow(snapshot))
        serve_together([link], "it is averaged with", lambda: scene.told(name)["averaged"], 30)


def test_position_that_goes_backwards(scene):
    """Two are kept. What is below one that was dropped is never taken again."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        for sequence in (5, 6, 7):
            scene.offer(link, scene.allow(scene.publish(name, scene.values, sequence=sequence, log=1000)))
        link.ping()
        for sequence, log in ((4, 1000), (5, 1000), (900, 999)):
            scene.offer(link, scene.publish(name, scene.values, sequence=sequence, log=log))
        link.ping()


EXTREMES = {
    "round_4_billion": {"round": 0xFFFFFFFF},
    "round_0": {"round": 0},
    "examples_without_end": {"examples": (1 << 64) - 1},
    "no_examples": {"examples": 0},
    "the_highest_position": {"sequence": (1 << 64) - 1, "log": (1 << 64) - 1},
    "the_lowest_position": {"sequence": 1, "log": 1},
}


@pytest.mark.parametrize("fields", EXTREMES.values(), ids=EXTREMES.keys())
def test_head_of_extreme_numbers(scene, fields):
    """A head as good as any; what is computed with it stays finite, and it drowns nobody out."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        scene.offer(link, scene.allow(scene.publish(name, scene.values, **fields)))
        serve_together([link], "it is averaged with", lambda: scene.told(name)["averaged"], 30)
        members = {member["name"]: member["weight"] for member in scene.node.rounds(1)[0]["members"]}
        assert all(0 <= weight <= 1 for weight in members.values()) and members["honest"] > 0


# --- Charters ------------------------------------------------------------------------------------


def by_steward(make):
    return lambda scene, third: sign_version(make(third), *scene.stewards)


NO_CHARTER = {
    "signed_by_a_stranger": lambda scene, third: sign_version(third, scene.identities["honest"]),
    "unsigned": lambda scene, third: SignedVersion(third.encode(), []),
    "signed_twice_by_one": lambda scene, third: (
        lambda signed: signed.but(signatures=signed.signatures * 2))(scene.signed(third)),
    "altered_after_signing": lambda scene, third: scene.signed(third).but(
        body=third.but(expires=third.expires + 1).encode()),
    "of_another_consortium": by_steward(lambda third: third.but(consortium="other")),
    "of_the_first_number": by_steward(lambda third: third.but(number=1)),
    "of_the_number_before": by_steward(lambda third: third.but(number=2)),
    "of_a_higher_number": by_steward(lambda third: third.but(number=4)),
    "of_the_highest_number": by_steward(lambda third: third.but(number=(1 << 64) - 1)),
    "of_an_older_format": by_steward(lambda third: third.but(format=1)),
    "of_a_newer_format": by_steward(lambda third: third.but(format=3)),
    "another_first": by_steward(lambda third: third.but(number=1, previous=bytes(32))),
    "with_a_threshold_of_none": by_steward(lambda third: third.but(threshold=0)),
    "without_members": by_steward(lambda third: third.but(members=[])),
    "with_members_in_disorder": by_steward(lambda third: third.but(members=third.members[::-1])),
    "with_two_names_that_are_alike": by_steward(lambda third: third.but(
        members=[third.members[0].but(name="one"), third.members[1].but(name="ONE"), *third.members[2:]])),
    "with_a_name_that_nobody_sees": by_steward(lambda third: third.but(
        members=[third.members[0].but(name="on\u200be"), *third.members[1:]])),
    "with_a_name_of_two_alphabets": by_steward(lambda third: third.but(
        members=[third.members[0].but(name="h\u043enest"), *third.members[1:]])),
    "without_stewards": by_steward(lambda third: third.but(stewards=[])),
    "that_is_no_charter": lambda scene, third: SignedVersion(bytes(300), []),
    "without_a_body": lambda scene, third: SignedVersion(b"", []),
}  # fmt: skip


@pytest.mark.parametrize("make", NO_CHARTER.values(), ids=NO_CHARTER.keys())
@pytest.mark.parametrize("number", [2, 3, 4])
def test_charter(scene, make, number):
    """It is not followed, kept, or passed on, and asked for a few times only, whatever number it is said to have."""
    signed = make(scene, scene.successor(scene.charter))
    with scene.attacker() as link:
        asked = []
        link.on_charterwanted = lambda message: (asked.append(message.number), link.send(CharterVersion(signed)))
        with contextlib.suppress(Closed):
            for _ in range(3):
                link.send(CharterHead(number, digest(signed.body)))
                link.ping()
        assert len(asked) <= 6
    assert scene.followed() == 2 and not scene.rivals()
    assert not scene.honest.given_charters


@pytest.mark.parametrize("make", NO_CHARTER.values(), ids=NO_CHARTER.keys())
def test_unasked_charter(scene, make):
    with scene.attacker() as link:
        link.send(*[CharterVersion(make(scene, scene.successor(scene.charter)))] * 10)
        with contextlib.suppress(Closed):
            link.ping()
    assert scene.followed() == 2 and not scene.rivals()
    assert not scene.honest.given_charters


def test_charters_without_end(scene):
    """Of another beginning, and signed by the stewards of ours: a chain is not followed up or down for ever."""
    with scene.attacker() as link:
        versions = [scene.first.but(expires=7)]
        for number in range(2, 1000):
            versions.append(versions[-1].but(number=number, previous=versions[-1].id()))
        link.charters = {version.number: sign_version(version, *scene.stewards) for version in versions}
        with contextlib.suppress(Closed):
            link.send(CharterHead.of(versions[-1]))
            link.serve(3)
    assert scene.followed() == 2 and not scene.rivals()


def test_version_that_exists_for_nobody(scene):
    """It is told of, again and again, and never handed out."""
    with scene.attacker() as link:
        for number in (1, 2, 3, 1024, 1025, (1 << 64) - 1, 0):
            for i in range(20):
                link.send(CharterHead(number, digest(bytes([i]))))
        link.ping()
        link.send(*[CharterWanted(number) for number in (0, 3, 1024, (1 << 64) - 1)])
        link.ping()
        assert not link.given_charters
    assert scene.followed() == 2


def test_flood_of_heads_of_the_charter(scene):
    with scene.attacker() as link:
        flood(scene, link, stream(CharterHead(3, digest(struct.pack("<I", i))) for i in range(20_000)))


def test_flood_of_wishes_for_the_charter(scene):
    with scene.attacker() as link:
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        flood(scene, link, stream([CharterWanted(2)]) * 50_000)


COLLUDERS = ["evil", "mallory", "oscar"]
collude = pytest.mark.parametrize("colluders", [COLLUDERS[:count] for count in (1, 2, 3)], ids=["1", "2", "3"])


@contextlib.contextmanager
def rivalry(stewards=("steward",)):
    """A scene of its own, since a charter that changes stays so."""
    with conspiracy(["evil"], stewards) as (scene, honest, (evil,)):
        yield scene, honest, evil


@contextlib.contextmanager
def conspiracy(colluders, stewards=("steward",)):
    with Scene(["honest", *colluders], stewards=stewards) as scene, contextlib.ExitStack() as stack:
        honest, *evil = [stack.enter_context(scene.join(name)) for name in ("honest", *colluders)]
        for link in (honest, *evil):
            link.ping()
        yield scene, honest, evil


def hand_out(evil, scene, versions, signed):
    evil.charters = {version.number: each for version, each in zip(versions, signed)}
    evil.send(CharterHead.of(versions[-1]))


def unchanged(scene, newest):
    """Now, and when it starts again."""
    for _ in range(2):
        members = {peer["id"] for peer in scene.node.peers().values()} | {node_id(scene.itself.node_key)}
        assert members == {node_id(one.node_key) for one in newest.members}
        assert scene.followed() == newest.number
        scene.until("it is written", lambda: scene.written().versions[-1].body == newest.encode())
        scene.until("and so is the evidence", lambda: len(scene.written().rivals) == len(scene.rivals()))
        scene.restart()
    with scene.join("honest") as link:
        link.ping()


def expelling(scene, name="honest"):
    """All members but this one."""
    return [member for member in scene.charter.members if member.name != name]


@collude
def test_rival_charter_signed_by_former_stewards(colluders):
    """The key of each was stolen. However many sign, and however long their chain is: nothing changes, and it is shown."""
    with conspiracy(colluders, colluders) as (scene, honest, evil):
        old, new = scene.stewards, Identity("new")
        third = scene.successor(scene.charter, stewards=[Steward(new.node_key, new.name)]).but(threshold=1)
        evil[0].send(CharterVersion(sign_version(third, *old, new)))
        scene.until("the old ones are none any more", lambda: scene.followed() == 3)
        fourth = scene.successor(third)
        evil[0].send(CharterVersion(sign_version(fourth, new)))
        scene.until("and it goes on", lambda: scene.followed() == 4)

        rivals = [scene.first, scene.charter, scene.successor(scene.charter, members=expelling(scene))]
        for _ in range(7):
            rivals.append(scene.successor(rivals[-1]))
        told = [sign_version(version, *old) for version in rivals]
        for link in evil:
            hand_out(link, scene, rivals, told)
        serve_together([*evil, honest], "it is evidence", lambda: honest.given_charters[-1:] == [told[2]], 30)
        (rival,) = scene.rivals()
        assert rival["number"] == 3 and len(rival["signed_twice"]) == len(old)
        honest.ping()
        for link in evil:
            link.send(CharterVersion(sign_version(scene.successor(fourth, members=expelling(scene)), *old)))
            link.ping()
        unchanged(scene, fourth)
        assert len(scene.rivals()) == 1


def test_rivals_of_one_number_without_end():
    """A steward who has lost its mind: what came first counts, and a few of the others are kept as evidence."""
    with rivalry() as (scene, honest, evil):
        third = scene.successor(scene.charter)
        evil.send(CharterVersion(scene.signed(third)))
        scene.until("it follows", lambda: scene.followed() == 3)
        for days in range(1, 40):
            evil.send(CharterVersion(scene.signed(third.but(expires=third.expires + days, members=expelling(scene)))))
        evil.ping(20)
        assert 1 <= len(scene.rivals()) <= 16
        unchanged(scene, third)
        assert 1 <= len(scene.rivals()) <= 16


def test_rival_that_the_stewards_do_not_go_on_with():
    """One of three stewards has signed two versions of a number; the next one on the second lacks a signature."""
    with rivalry(["one", "two", "three"]) as (scene, honest, evil):
        one, two, three = scene.stewards
        third = scene.successor(scene.charter)
        evil.send(CharterVersion(sign_version(third, one, two)))
        scene.until("it follows", lambda: scene.followed() == 3)
        rival = scene.successor(scene.charter, members=expelling(scene))
        after = scene.successor(rival)
        evil_chain = [scene.first, scene.charter, rival, after]
        signed = [scene.signed(scene.first), scene.signed(scene.charter)]
        signed += [sign_version(rival, two, three), sign_version(after, three)]
        hand_out(evil, scene, evil_chain, signed)
        serve_together([evil, honest], "it is evidence", lambda: honest.given_charters[-1:] == [signed[2]], 30)
        assert scene.rivals()[0]["signed_twice"] == ["two"]
        unchanged(scene, third)


def test_rival_that_does_not_follow_what_it_says():
    """Its fourth version has the signatures, but there is nothing between it and what all have in common."""
    with rivalry() as (scene, honest, evil):
        third = scene.successor(scene.charter)
        evil.send(CharterVersion(scene.signed(third)))
        scene.until("it follows", lambda: scene.followed() == 3)
        rival = scene.successor(scene.charter, members=expelling(scene))
        fourth = scene.successor(rival)
        versions = [scene.first, scene.charter, rival, fourth]
        signed = [SignedVersion(each.encode(), []) if each is rival else scene.signed(each) for each in versions]
        hand_out(evil, scene, versions, signed)
        serve_together([evil, honest], "it is refused", lambda: scene.log("peer_accused", "evil"), 30)
        assert not scene.rivals()
        unchanged(scene, third)


# --- Applications --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def invitation(scene):
    return scene.invite()


def test_stranger_without_the_token(scene, invitation):
    stranger = Identity("stranger")
    with scene.knock(stranger) as link:
        link.send(stranger.apply(bytes(16), scene.founded))
        assert link.receive().state == 2
        assert link.end() == "not_a_member"


UNSOUND = {
    "signed_by_another": lambda card, stranger: card.but(by_node=Identity("other").sign(card.text("node"))),
    "not_signed_by_its_channel_key": lambda card, stranger: card.but(by_channel=bytes(64)),
    "of_another": lambda card, stranger: Identity("other").card(card.founded),
    "of_another_key": lambda card, stranger: card.but(channel_key=Identity("other").channel_key).signed(stranger),
    "of_a_key_of_low_order": lambda card, stranger: card.but(channel_key=bytes(32)).signed(stranger),
    "of_another_consortium": lambda card, stranger: card.but(founded=digest(b"another")).signed(stranger),
    "with_a_name_that_is_none": lambda card, stranger: card.but(name="\n").signed(stranger),
    "with_a_name_that_nobody_sees": lambda card, stranger: card.but(name="on\u200be").signed(stranger),
    "with_an_address_that_is_none": lambda card, stranger: card.but(addresses=["no port"]).signed(stranger),
}  # fmt: skip


@pytest.mark.parametrize("make", UNSOUND.values(), ids=UNSOUND.keys())
def test_unsound_card_of_a_stranger(scene, invitation, make):
    stranger = Identity("stranger")
    with scene.knock(stranger) as link:
        link.send(Apply(invitation.token, make(stranger.card(scene.founded), stranger)))
        assert link.end() == "malformed"


def test_stranger_who_says_something_else(scene, invitation):
    stranger = Identity("stranger")
    hello = Hello(VERSION, VERSION, 0, stranger.node_key, scene.itself.node_key, scene.task, "stranger")
    for message, reason in ((hello, "not_a_member"), (Ping(1), "malformed"), (CharterWanted(1), "malformed")):
        with scene.knock(stranger) as link:
            link.send(message)
            assert link.end() == reason


def test_applicant_who_says_goodbye_in_the_same_breath(scene):
    """This ended the node once."""
    stranger = Identity("hasty")
    with scene.knock(stranger) as link:
        link.send(stranger.apply(scene.invite().token, scene.founded), Goodbye(0))
        with contextlib.suppress(Closed):
            link.receive()


def test_applicant_who_waits_gets_no_charter(scene, invitation):
    applicant = Identity("applicant")
    with scene.knock(applicant) as link:
        link.send(applicant.apply(invitation.token, scene.founded), CharterWanted(1))
        assert link.receive().state == 0
        assert link.end() == "not_a_member"


def test_invitation_that_somebody_else_has_used(scene, invitation):
    first, thief = Identity("applicant"), Identity("thief")
    for who, state in ((first, 0), (thief, 2), (first, 0)):
        with scene.knock(who) as link:
            link.send(who.apply(invitation.token, scene.founded))
            assert link.receive().state == state


def test_member_who_applies_again_and_again(scene, invitation):
    with scene.attacker(greet=False) as link:
        link.send(*[link.peer.identity.apply(bytes(16), scene.founded)] * 2)
        assert link.end() == "malformed"
    with scene.attacker() as link:
        link.send(link.peer.identity.apply(bytes(16), scene.founded))
        assert link.end() == "malformed"


def test_applicants_who_stay(scene, invitation):
    """They are among the strangers, of whom there is room for some only: members get in."""
    with contextlib.ExitStack() as stack:
        for number in range(30):  # fewer than are taken for a flood
            with contextlib.suppress(Closed, OSError):
                stack.enter_context(scene.knock(Identity(f"stranger-{number}")))
        with scene.attacker() as link:
            link.ping()


# --- Cards ---------------------------------------------------------------------------------------


def show(scene, identity, card):
    """Dials with this identity's key, and shows this card before Hello: why it is sent away, or "" if it is let in."""
    peer = Peer(identity, scene.founded, scene.task, scene.readers)
    with peer.dial(scene.node.port, scene.itself, greet=False) as link:
        link.send(Cards([card]), link.own_hello())
        try:
            while not isinstance(message := link.receive(), (Hello, Goodbye)):
                pass
        except Closed:
            return None
        return "" if isinstance(message, Hello) else str(message)


SHOWN = {
    "not_signed_by_its_node_key": (
        "outdated_key",
        lambda scene, me, card: card.but(by_node=scene.identities["honest"].sign(card.text("node"))),
    ),
    "not_signed_by_its_channel_key": ("outdated_key", lambda scene, me, card: card.but(by_channel=bytes(64))),
    "with_its_signatures_exchanged": (
        "outdated_key",
        lambda scene, me, card: card.but(by_node=card.by_channel, by_channel=card.by_node),
    ),
    "of_another_consortium": ("outdated_key", lambda scene, me, card: card.but(founded=digest(b"another")).signed(me)),
    "of_a_stranger": (
        "outdated_key",
        lambda scene, me, card: card.but(node_key=Identity("nobody").node_key).signed(me),
    ),
    "with_an_address_that_is_none": (
        "outdated_key",
        lambda scene, me, card: card.but(addresses=["no port"]).signed(me),
    ),
    "with_a_name_that_is_none": ("outdated_key", lambda scene, me, card: card.but(name="a  b").signed(me)),
    "dated_far_in_the_future": ("outdated_key", lambda scene, me, card: card.but(issued=(1 << 64) - 1).signed(me)),
    "dated_a_little_too_far_in_the_future": (
        "outdated_key",
        lambda scene, me, card: card.but(issued=int(time.time()) + 86400 + 600).signed(me),
    ),
    "dated_before_the_one_that_counts": ("outdated_key", lambda scene, me, card: card.but(issued=1).signed(me)),
    "with_another_key_than_was_proved": (
        "malformed",
        lambda scene, me, card: card.but(channel_key=Identity("other").channel_key).signed(me),
    ),
    "with_the_key_of_another_member": (
        "malformed",  # and who has no other member's key cannot prove that it has
        lambda scene, me, card: card.but(channel_key=scene.identities["honest"].channel_key).signed(me),
    ),
    "with_a_key_of_low_order": ("malformed", lambda scene, me, card: card.but(channel_key=bytes(32)).signed(me)),
    "with_a_key_that_is_no_point": (
        "malformed",
        lambda scene, me, card: card.but(channel_key=b"\2" + bytes(31)).signed(me),
    ),
}  # fmt: skip


@pytest.mark.parametrize("malice", SHOWN)
def test_card_that_is_shown(scene, malice):
    reason, make = SHOWN[malice]
    name = scene.name()
    renewed = scene.renew(name)
    assert show(scene, renewed.identity, make(scene, renewed.identity, renewed.card())) == reason
    assert not scene.log("peer_renewed", name)
    with scene.join(name) as link:  # as ever
        link.ping()


TOLD = {malice: make for malice, (_, make) in SHOWN.items()} | {
    "of_the_node_itself": lambda scene, me, card: card.but(node_key=scene.itself.node_key).signed(me),
    "of_the_node_itself_that_it_signed": lambda scene, me, card: scene.itself,
    "of_an_honest_member": lambda scene, me, card: scene.cards["honest"].but(issued=int(time.time())),
}  # fmt: skip


@pytest.mark.parametrize("make", TOLD.values(), ids=TOLD.keys())
def test_card_that_is_told(scene, make):
    """By another member: it does not count, and nobody else hears of it."""
    name = scene.name()
    renewed = scene.renew(name)
    card = make(scene, renewed.identity, renewed.card())
    scene.honest.ping()
    given = len(scene.honest.given_cards)
    with scene.attacker() as link:
        link.send(Cards([card] * 16))
        link.ping()
    scene.honest.ping()
    assert len(scene.honest.given_cards) == given
    assert not scene.log("peer_renewed", name) and not scene.log("peer_renewed", "honest")
    with scene.join(name) as link:  # as ever
        link.ping()


@pytest.mark.parametrize("addresses", [[], ["unwilling"]], ids=["key", "key_and_address"])
def test_member_that_renews_to_another_members_key(scene, addresses):
    """It proves nothing: the other is who it was, and keeps its connection."""
    me, victim = scene.identities[scene.name()], scene.identities["honest"]
    addresses = scene.cards["unwilling"].addresses if addresses else []
    stolen = me.card(scene.founded, *addresses, issued=int(time.time()), channel_key=victim.channel_key)
    with scene.attacker() as link:
        link.send(Cards([stolen]))
        link.ping()
    assert show(scene, me, stolen) == "malformed"
    assert not scene.log("peer_renewed", me.name)
    for name in (me.name, "honest"):
        assert scene.told(name)["card_issued"] == scene.cards[name].issued
    scene.honest.ping()


def test_member_that_renews_to_another_members_address(scene):
    """It may say so. Who answers there is not it, and stays who it is."""
    name = scene.name()
    issued = int(time.time())
    with scene.attacker() as link:
        card = scene.identities[name].card(scene.founded, *scene.itself.addresses, issued=issued)
        link.send(Cards([card]))
        scene.until("it is taken", lambda: scene.told(name)["card_issued"] == issued)
        scene.until("it dials itself in vain", lambda: scene.log("connection_failed", name), 30)
        assert not scene.told(name)["connected"]


def test_cards_that_a_node_has_not_taken_are_nothing_to_it_when_it_starts_again():
    with Scene(["honest", "evil"]) as scene:
        victim, issued = scene.identities["honest"], int(time.time())
        me = scene.identities["evil"]
        renewed = scene.renew("evil")
        for stop in (scene.node.kill, scene.node.stop):
            with scene.join("evil") as evil:
                for card in (
                    me.card(scene.founded, issued=issued, channel_key=victim.channel_key),
                    me.card(scene.founded, issued=issued, channel_key=scene.itself.channel_key),
                    me.card(scene.founded, issued=(1 << 64) - 1),
                    me.card(scene.founded, issued=issued + 86400 + 600),
                    me.card(digest(b"another"), issued=issued),
                ):  # fmt: skip
                    evil.send(Cards([card]))
                    assert show(scene, renewed.identity, card) in ("malformed", "outdated_key")
                evil.ping()
            stop()
            scene.node.start()
            scene.until("it is up again", lambda: scene.node.status()["listening"], 30)
            for name in ("honest", "evil"):
                assert scene.told(name)["card_issued"] == scene.cards[name].issued
                with scene.join(name) as link:
                    link.ping()


def test_thief_of_the_nodes_own_key():
    """It can sign what it likes with the node key, and the node goes on, tells its operator, and outbids it."""
    with Scene(["honest", "evil"]) as scene:
        folder = scene.node.directory
        seed = re.search(r"^seed (\w{64})$", (folder / "node.key").read_text(), re.MULTILINE)[1]
        thief = Identity("tested").use_channel(digest(b"thief"))
        thief.signing = SigningKey(bytes.fromhex(seed))
        thief.node_key = bytes(thief.signing.verify_key)
        assert thief.node_key == scene.itself.node_key
        stolen = thief.card(scene.founded, issued=int(time.time()) + 3600)
        for _ in range(2):
            with scene.join("evil") as evil, scene.join("honest") as honest:
                evil.send(Cards([stolen]))
                scene.until("the operator is told", lambda: scene.node.status()["renewed_elsewhere"] == stolen.issued)
                honest.ping()
                assert stolen not in honest.given_cards
                with scene.knock(thief) as link:
                    me, itself = thief.node_key, scene.itself.node_key
                    link.send(Cards([stolen]), Hello(VERSION, VERSION, 0, me, itself, scene.task, "thief"))
                    assert link.end() == "not_a_member"
            scene.restart()
        with scene.join("evil") as evil, scene.join("honest") as honest:
            evil.send(Cards([stolen]))
            scene.until("the operator is told", lambda: scene.node.status()["renewed_elsewhere"])
            scene.kith("key", "renew", "--dir", folder)
            outbids = Card.of_text((folder / "node.card").read_text())
            assert outbids.issued > stolen.issued and outbids.channel_key != scene.itself.channel_key
            with contextlib.suppress(Closed):  # it may end, since the key is another
                honest.wait("the news", lambda: outbids in honest.given_cards)
        for card in (outbids, scene.itself):  # it answers to the former key as well
            with scene.peer("honest").dial(scene.node.port, card) as link:
                link.ping()


@collude
def test_colluders_that_claim_one_channel_key(colluders):
    """Each has it, so each card is sound. They are told apart by their names, also when one of them is expelled."""
    with Scene(["honest", *colluders]) as scene, scene.join("honest") as honest:
        honest.ping()
        shared = digest(b"shared channel")
        peers = []
        for name in colluders:
            identity = Identity(name).use_channel(shared)
            peer = Peer(identity, scene.founded, scene.task, scene.readers)
            peer.cards[identity.node_key] = identity.card(scene.founded, issued=int(time.time()))
            peers.append(peer)
        dial = lambda peer, **options: peer.dial(scene.node.port, scene.itself, **options)
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                links = [stack.enter_context(dial(peer)) for peer in peers]
                for link in links:
                    link.ping()
                assert all(scene.told(name)["connected"] for name in colluders)
                # One speaks as another of them: it has the key, so that is its right; nobody else's connection ends.
                # And one as the honest one, whose key it has not.
                for name in (*colluders[1:], "honest"):
                    with dial(peers[0], greet=False) as link:
                        link.send(link.own_hello(sender=scene.identities[name].node_key))
                        if name == "honest":
                            assert link.end() == "outdated_key"
                        else:
                            link.receive()
                        links[0].ping(), honest.ping()
            # Each publishes in the name of the next. It is one key: heads and lies are those of whom they name.
            for peer, name in zip(peers, (*colluders[1:], "honest")):
                with dial(peer) as link:
                    values = random.Random(1).randbytes(4 * 814090)
                    snapshot = kith_peer.publish(peer.identity, scene.founded, scene.task, values, scene.readers,
                                                 origin=scene.identities[name].node_key)  # fmt: skip
                    link.peer.hold(snapshot)
                    link.send(Heads([snapshot.head]))
                    link.ping()
                    if name == "honest":
                        assert snapshot.id() not in honest.ask_what_it_knows()
            honest.close()
            scene.restart()
            honest = scene.join("honest")
            honest.ping()
        last = colluders[-1]
        members = [member for member in scene.charter.members if member.name != last]
        honest.send(CharterVersion(scene.signed(scene.successor(scene.charter, members=members))))
        scene.until("one is expelled", lambda: scene.followed() == 3)
        for peer, name in zip(peers, colluders):
            with dial(peer, greet=name != last) as link:
                if name != last:
                    link.ping()
                    continue
                link.send(link.own_hello())
                assert link.end() == "not_a_member"
        honest.ping()
        honest.close()


@collude
def test_colluders_that_tell_two_stories_each(colluders):
    """Each tells one of the snapshots of each; no two snapshots of one number are kept, and no honest one is blamed."""
    with conspiracy(colluders) as (scene, honest, evil):
        honest.wait("the node's head", lambda: honest.peer.newest(scene.itself.node_key), 30)
        values = honest.fetch_snapshot(honest.peer.newest(scene.itself.node_key)).open(honest.peer.identity, scene.encoding)
        stories = [[scene.publish(name, values, sequence=5, log=1000, round=1 + side).head for name in colluders]
                   for side in (0, 1)]  # fmt: skip
        for number, link in enumerate(evil):
            with contextlib.suppress(Closed):
                link.send(Heads(stories[number % 2]), Heads(stories[1 - number % 2]))
                link.serve(0.2)
        for _ in range(2):
            for name in colluders:
                scene.until(f"{name} is quarantined", lambda name=name: scene.told(name)["quarantined"])
            assert not scene.told("honest")["quarantined"]
            told = {head.id() for side in stories for head in side}
            assert not told & honest.ask_what_it_knows().keys()
            honest.ping()
            honest.close()
            scene.restart()
            honest = scene.join("honest")
            honest.ping()
        honest.close()


def test_node_that_starts_with_cards_of_the_future_in_its_file():
    """Somebody gave it such a charter file: the members are who they were."""
    with Scene(["honest", "evil"]) as scene:
        evil = scene.identities["evil"].card(scene.founded, issued=(1 << 63) - 1, channel_key=scene.itself.channel_key)
        foreign = scene.identities["honest"].card(digest(b"another"), issued=int(time.time()))
        future = scene.identities["evil"].card(scene.founded, issued=(1 << 64) - 1)
        scene.kith("charter", "merge", "--dir", scene.node.directory,
                   scene.write_charter(scene.first, scene.charter, cards=[evil, foreign, future]))  # fmt: skip
        for _ in range(2):
            for name in ("honest", "evil"):
                assert scene.told(name)["card_issued"] == scene.cards[name].issued
                with scene.join(name) as link:
                    link.ping()
            scene.restart()


def test_older_card_shown_again_by_who_has_the_former_key(scene):
    name = scene.name()
    old, new = (scene.renew(name, generation) for generation in (1, 2))
    for peer in (old, new):
        with peer.dial(scene.node.port, scene.itself) as link:
            link.ping()
    assert show(scene, old.identity, old.card()) == "outdated_key"
    assert len(scene.log("peer_renewed", name)) == 2


@pytest.mark.parametrize("cards", [0, 2, 16])
def test_cards_before_hello_that_are_not_one(scene, cards):
    peer = scene.renew(scene.name())
    with peer.dial(scene.node.port, scene.itself, greet=False) as link:
        link.send(Cards([peer.card()] * cards), link.own_hello())
        assert link.end() == "malformed"


def test_card_shown_twice_before_hello(scene):
    peer = scene.renew(scene.name())
    with peer.dial(scene.node.port, scene.itself, greet=False) as link:
        link.send(Cards([peer.card()]), Cards([peer.card()]), link.own_hello())
        assert link.end() == "malformed"


def test_card_of_another_with_the_key_that_was_proved(scene):
    """A member shows the card of a colluder of the same key, and says that it is itself."""
    me, other = scene.renew(scene.name()), scene.identities[scene.name()]
    other.use_channel(digest(f"channel {me.identity.name} 1".encode()))
    card = other.card(scene.founded, issued=int(time.time()))
    with me.dial(scene.node.port, scene.itself, greet=False) as link:
        link.send(Cards([card]), link.own_hello())
        assert link.end() == "outdated_key"
    assert not scene.log("peer_renewed", me.identity.name)


def test_forged_cards_of_others_are_reported_a_few_times(scene):
    with scene.attacker() as link:
        card = scene.cards["honest"]
        for number in range(200):
            link.send(Cards([card.but(issued=int(time.time()) + number)] * 16))
        link.ping(20)
        assert 0 < len(scene.log("peer_accused", link.peer.identity.name)) < 12
    assert not scene.log("peer_renewed", "honest")


def test_member_that_renews_itself_without_end(scene):
    """It is heard a few times; nobody else is disturbed."""
    name = scene.name()
    with scene.attacker() as link:
        issued = int(time.time())
        for number in range(1000):
            link.send(Cards([scene.renew(name, number + 1, issued=issued + number).card()]))
        link.ping(30)
    assert 1 <= len(scene.log("peer_renewed", name)) <= 6


def test_asking_for_cards_again_and_again(scene):
    """Each list is answered, as long as it can afford that; the node queues no more than a peer may have waiting."""
    with scene.attacker() as link:
        link.wait("its list", lambda: link.told_cards is not None)
        link.on_cards = lambda message: link.given_cards.extend(message.cards)
        for _ in range(300):
            link.send(CardList([]))
        with contextlib.suppress(Closed):
            link.ping(20)
        assert len(link.given_cards) <= 110 * len(link.told_cards)


def test_flood_of_card_lists_without_reading_the_answers(scene):
    with scene.attacker() as link:
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        flood(scene, link, stream([CardList([])]) * 20_000)


def test_card_that_makes_the_node_dial_where_nobody_should(scene):
    """Multicast, link-local, and unspecified addresses, port 0, and names that do not exist."""
    name = scene.name()
    where = ["224.0.0.1:7700", "0.0.0.0:7700", "[fe80::1]:7700", "127.0.0.1:0"]
    issued = int(time.time())
    with scene.attacker() as link:
        link.send(Cards([scene.identities[name].card(scene.founded, *where, issued=issued)]))
        scene.until("it is taken", lambda: scene.told(name)["card_issued"] == issued)
        failed = scene.until("it is not reached", lambda: scene.log("connection_failed", name), 30)
        assert failed[-1]["detail"] == "this node dials no such address"


# --- Manifests and chunks ------------------------------------------------------------------------


def refused(scene, link, snapshot, seconds=30):
    """Serves the snapshot as the link does until the node says why it cannot be used."""
    name = link.peer.identity.name
    serve_together([link], "it is refused", lambda: scene.log("snapshot_refused", name), seconds)
    assert not scene.told(name)["averaged"]
    return scene.log("snapshot_refused", name)[-1]


def no_flag(made):
    encoded = made.encode()
    return encoded[: -4 - len(made.note) - 1] + b"\2" + encoded[-4 - len(made.note) :]


def noise(made):
    return made.but(keys=[entry.but(sealed=os.urandom(80)) for entry in made.keys])


MANIFESTS = {
    "with_one_chunk_less": lambda made: made.but(chunks=made.chunks[:-1]).encode(),
    "with_one_chunk_more": lambda made: made.but(chunks=made.chunks + [A_HASH]).encode(),
    "with_no_chunk": lambda made: made.but(chunks=[]).encode(),
    "with_a_note_over_its_limit": lambda made: made.but(note=b"{}".ljust(40961)).encode(),
    "with_a_list_of_4_billion_chunks": lambda made: b"\xff\xff\xff\xff" + made.encode()[4:],
    "with_more_keys_than_members": lambda made: made.but(keys=made.keys[:1] * 513).encode(),
    "with_a_byte_left_over": lambda made: made.encode() + b"\0",
    "cut": lambda made: made.encode()[:-1],
    "of_1_byte": lambda made: b"\0",
    "whose_flag_is_2": no_flag,
}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_manifest(scene, manifest):
    """Its hash is right, but it is none: the snapshot is given up, and no chunk of it asked for."""
    with scene.attacker() as link:
        snapshot = scene.allow(scene.publish(link.peer.identity.name, scene.values, manifest=manifest))
        scene.offer(link, snapshot)
        link.wait("it asks for the manifest", lambda: (snapshot.id(), MANIFEST) in link.asked, 30)
        with contextlib.suppress(Closed):
            link.serve(1.5)
        assert {piece for asked, piece in link.asked if asked == snapshot.id()} == {MANIFEST}
        assert not scene.honest.ask_what_it_knows().get(snapshot.id())


LIES = {
    "manifest_with_another_hash": lambda number, data: os.urandom(len(data)) if number == MANIFEST else data,
    "chunk_with_a_wrong_bit": lambda number, data: data if number == MANIFEST else data[:-1] + bytes([data[-1] ^ 1]),
    "chunk_too_short": lambda number, data: data if number == MANIFEST else data[:-1],
    "chunk_empty": lambda number, data: data if number == MANIFEST else b"",
    "chunk_too_long": lambda number, data: data if number == MANIFEST else (data + b"\0")[-CHUNK - 16 :],
}


def knows(link):
    """What the node said last that it has. It is asked again and again: who has all himself is not told."""
    if time.monotonic() > getattr(link, "asked_at", 0) + 0.5:
        link.asked_at = time.monotonic()
        link.send(link.peer.summary(answer=False))
    return link.known


class Liar(Link):
    """Serves, but not what it should."""

    def __init__(self, *arguments, lie, **options):
        self.lie = lie
        super().__init__(*arguments, **options)

    def on_fetch(self, message):
        self.asked.append((message.snapshot, message.piece))
        data = self.peer.piece(message.snapshot, message.piece)
        if data is not None and (data := self.lie(message.piece, data)) is not None:
            self.send(Piece(message.snapshot, message.piece, data))
        elif data is None:
            self.send(Unavailable(message.snapshot, message.piece, False))


def liar(scene, lie):
    return Liar(scene.peer(scene.name()), Wire.dial(scene.node.port), scene.itself, lie=lie)


def from_another(scene, link, seconds):
    """The node gets the snapshot, that the link's side has lied about, of an honest holder."""
    with scene.join(scene.name()) as holder:
        for snapshot in link.peer.held.values():
            holder.peer.hold(snapshot)
            holder.send(Heads([snapshot.head]), Holding(snapshot.id()))
        serve_together([link, holder], "it has all of it, by another holder",
                       lambda: all(knows(holder).get(snapshot) for snapshot in link.peer.held), seconds)  # fmt: skip


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_wrong_piece(scene, lie):
    """The sender's fault: it is asked no more, and the snapshot comes from another."""
    with liar(scene, lie) as link:
        snapshot = scene.allow(scene.publish(scene.name(), scene.values))
        scene.offer(link, snapshot)
        link.send(Holding(snapshot.id()))
        link.wait("it asks", lambda: link.asked, 30)
        link.serve(1)
        times = len(link.asked)
        from_another(scene, link, 20)
        assert len(link.asked) <= times + 16  # what was under way


def test_chunks_that_do_not_exist(scene):
    """Said to be there by somebody who was asked."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        snapshot = scene.allow(scene.publish(scene.name(), scene.values))
        link.peer.hold(snapshot.only({0}))
        link.send(Heads([snapshot.head]))
        link.wait("it wants it", lambda: snapshot.id() in link.wanted, 30)
        link.wait("it has the first", lambda: (snapshot.id(), 0) in link.asked, 30)
        for chunk in (4, 8191, MANIFEST - 1, MANIFEST):
            link.send(Have(snapshot.id(), [chunk]))
        with contextlib.suppress(Closed):
            link.serve(0.5)
        assert {piece for asked, piece in link.asked if asked == snapshot.id()} == {MANIFEST, 0}
        assert scene.until("the operator is told", lambda: scene.log("peer_accused", name))


def test_chunks_that_nobody_asked_about(scene):
    with scene.attacker() as link:
        link.send(Have(A_HASH, [0, 1]), Have(scene.stable.id(), [0, 99]))
        link.send(Have(A_HASH, list(range(8192))))
        link.ping()


def test_promise_of_chunks_that_it_has_not(scene):
    """It says that it has what it will not give; another gives it."""
    with liar(scene, lambda number, data: data if number in (MANIFEST, 1) else None) as link:
        snapshot = scene.allow(scene.publish(scene.name(), scene.values))
        link.peer.hold(snapshot)
        link.peer.held[snapshot.id()] = snapshot.only({1, 2})
        link.send(Heads([snapshot.head]))
        link.wait("it asks", lambda: (snapshot.id(), 2) in link.asked, 30)
        link.peer.hold(snapshot)
        from_another(scene, link, 40)


def test_withholding_by_unavailable(scene):
    """It says that it has everything, and gives nothing."""
    with scene.attacker() as link:
        snapshot = scene.allow(scene.publish(scene.name(), scene.values))
        link.peer.heads[snapshot.id()] = snapshot.head
        link.send(Heads([snapshot.head]), Holding(snapshot.id()))
        link.wait("it asks", lambda: link.asked, 30)
        link.peer.held.clear()
        asked = len(link.asked)
        link.serve(3)
        assert len(link.asked) - asked < 20  # not as fast as it can
        with scene.join(scene.name()) as holder:
            holder.peer.hold(snapshot)
            holder.send(Holding(snapshot.id()))
            serve_together([link, holder], "it has all", lambda: knows(holder).get(snapshot.id()), 20)


# --- What is in a snapshot -----------------------------------------------------------------------


def changed(values, change):
    """The model with its first thousand values changed."""
    floats = struct.unpack("<1000f", values[:4000])
    return struct.pack("<1000f", *change(floats)) + values[4000:]


POISON = {
    "nan": lambda values: changed(values, lambda floats: [math.nan, *floats[1:]]),
    "infinity": lambda values: changed(values, lambda floats: [*floats[:-1], -math.inf]),
    "a_huge_norm": lambda values: changed(values, lambda floats: [1e30] * len(floats)),
    "the_largest_floats": lambda values: changed(values, lambda floats: [3.3e38] * len(floats)),
    "noise": lambda values: random.Random(1).randbytes(len(values)),
}

DENORMAL = {
    "the_smallest": lambda values: struct.pack("<I", 1 << 16) * (len(values) // 4),  # what bf16 keeps of one
    "both_signs": lambda values: struct.pack("<II", 0x007F0000, 0x80010000) * (len(values) // 8) + values[:0],
    "zeros": lambda values: bytes(len(values)),
    "the_smallest_normal": lambda values: struct.pack("<f", 2**-126) * (len(values) // 4),
}


@pytest.mark.parametrize("make", POISON.values(), ids=POISON.keys())
def test_snapshot_of(scene, make):
    """Well signed, well encrypted, and absurd."""
    with scene.attacker() as link:
        snapshot = scene.allow(scene.publish(link.peer.identity.name, make(scene.values)))
        scene.offer(link, snapshot)
        refused(scene, link, snapshot)


def frame(size, blocks):
    """A zstd frame of one segment that announces this size: (type, size, content) are blocks; 0 raw, 1 repeated byte."""
    data = bytes.fromhex("28b52ffd a0") + struct.pack("<I", size)
    for number, (kind, count, content) in enumerate(blocks):
        header = count << 3 | kind << 1 | (number == len(blocks) - 1)
        data += header.to_bytes(3, "little") + content
    return data


def repeated(size):
    """Blocks of this many zeros; a block has at most 128 KiB."""
    return [(1, min(1 << 17, size - at), b"\0") for at in range(0, size, 1 << 17)]


def zstd(chunk, **options):
    return kith_peer.zstandard.ZstdCompressor(**options).compress(chunk)


COMPRESSIONS = {
    "that_announces_no_size": lambda chunk: zstd(chunk, write_content_size=False),
    "that_announces_another_size": lambda chunk: zstd(chunk[:-2]),
    "that_announces_4_gib": lambda chunk: frame(0xFFFFFFFF, repeated(len(chunk))),
    "of_4_gib": lambda chunk: frame(0xFFFFFFFF, repeated(0xFFFFFFFF)),
    "that_holds_more_than_it_announces": lambda chunk: frame(len(chunk), repeated(64 * MIB)),
    "that_holds_less_than_it_announces": lambda chunk: frame(len(chunk), repeated(1000)),
    "with_a_byte_after_it": lambda chunk: frame(len(chunk), repeated(len(chunk))) + b"\0",
    "with_another_after_it": lambda chunk: frame(len(chunk), repeated(len(chunk))) + zstd(b""),
    "after_one_to_skip": lambda chunk: struct.pack("<II", 0x184D2A50, 8) + bytes(8) + zstd(chunk),
    "cut": lambda chunk: frame(len(chunk), repeated(len(chunk)))[:-1],
    "of_a_reserved_block": lambda chunk: frame(len(chunk), [(3, 5, bytes(5))]),
    "with_a_wrong_checksum": lambda chunk: zstd(chunk, write_checksum=True)[:-1] + b"\0",
    "of_a_dictionary": lambda chunk: b"\x28\xb5\x2f\xfd\xa1\x07" + frame(len(chunk), repeated(len(chunk)))[5:],
    "longer_than_what_is_in_it": lambda chunk: chunk + bytes(CHUNK - len(chunk)) if len(chunk) < CHUNK else chunk,
    "of_no_bytes": lambda chunk: b"",
}


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_frame(scene, compression):
    """Compressed by somebody who does not wish us well."""
    with scene.attacker() as link:
        snapshot = scene.allow(scene.publish(link.peer.identity.name, scene.values, compression=compression))
        scene.offer(link, snapshot)
        refused(scene, link, snapshot)


SIZES = {
    "of_one_value": lambda values: values[:4],
    "of_one_value_less": lambda values: values[:-4],
    "of_one_value_more": lambda values: values + bytes(4),
    "of_half": lambda values: values[: len(values) // 8 * 4],
    "twice_as_large": lambda values: values * 2,
}


@pytest.mark.parametrize("make", SIZES.values(), ids=SIZES.keys())
def test_snapshot_of_another_size(scene, make):
    """Nothing of it is asked for: the size of the task's snapshots is known."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        snapshot = scene.allow(scene.publish(name, make(scene.values)))
        scene.offer(link, snapshot)
        rounds = scene.node.finished()
        serve_together([link], "two more rounds", lambda: scene.node.finished() >= rounds + 2, 30)
        assert not link.asked and not scene.told(name)["averaged"]


def test_snapshot_without_a_key_for_the_reader(scene):
    with scene.attacker() as link:
        others = [reader for reader in scene.readers if reader != scene.itself]
        snapshot = scene.allow(scene.publish(link.peer.identity.name, scene.values, readers=others))
        scene.offer(link, snapshot)
        refused(scene, link, snapshot)


def test_snapshot_whose_key_for_the_reader_is_noise(scene):
    with scene.attacker() as link:
        snapshot = scene.publish(link.peer.identity.name, scene.values, manifest=lambda made: noise(made).encode())
        scene.offer(link, scene.allow(snapshot))
        refused(scene, link, snapshot)


def test_snapshot_whose_chunks_are_under_another_key(scene):
    """That of the commitment, and of the members, is another."""
    def other_keys(real):
        head = Head.decode(scene.publish(name, scene.values).head.head)
        made, _ = encrypt([], scene.readers, head.context())
        return real.but(keys=made.keys, commitment=made.commitment).encode()

    with scene.attacker() as link:
        name = link.peer.identity.name
        snapshot = scene.allow(scene.publish(name, scene.values, manifest=other_keys))
        scene.offer(link, snapshot)
        refused(scene, link, snapshot)


COMMITMENTS = {
    "that_is_noise": lambda made: made.but(commitment=os.urandom(32)),
    "of_zeros": lambda made: made.but(commitment=bytes(32)),
    "of_another_key_than_this_member_was_given": lambda made: made.but(
        keys=encrypt([], READERS, bytes(80))[0].keys),
}  # fmt: skip
READERS = []


@pytest.mark.parametrize("make", COMMITMENTS.values(), ids=COMMITMENTS.keys())
def test_commitment(scene, make):
    """The chunks open under the key that the node was given, or do not; they are not looked at."""
    READERS[:] = scene.readers
    with scene.attacker() as link:
        snapshot = scene.publish(link.peer.identity.name, scene.values, manifest=lambda made: make(made).encode())
        scene.offer(link, scene.allow(snapshot))
        assert "another key" in refused(scene, link, snapshot)["why"]


def test_snapshot_bound_to_another_place(scene):
    """What somebody else published, or it itself in another place, passed on under its own head."""
    with scene.attacker() as link:
        other = scene.publish("honest", scene.values)
        context = Head.decode(other.head.head).context()
        snapshot = scene.publish(link.peer.identity.name, scene.values, context=context)
        scene.offer(link, scene.allow(snapshot))
        assert "another key" in refused(scene, link, snapshot)["why"]


@pytest.mark.parametrize("make", DENORMAL.values(), ids=DENORMAL.keys())
def test_weights_near_nothing(scene, make):
    """They are scored like any; whatever comes of it, it does not end the node, nor its worker."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        restarts = scene.node.status()["counters"]["worker_restarts"]
        scene.offer(link, scene.allow(scene.publish(name, make(scene.values))))
        judged = lambda: scene.told(name)["averaged"] or scene.log("snapshot_refused", name)  # noqa: E731
        serve_together([link], "it is judged", judged, 30)
        rounds = scene.node.finished()
        scene.until("two more rounds", lambda: scene.node.finished() >= rounds + 2, 30)
        assert scene.node.status()["counters"]["worker_restarts"] == restarts


def test_member_that_publishes_without_end():
    """Its heads are heard a few times; two snapshots of it are fetched in a round, and the honest one's is, too."""
    values = random.Random(1).randbytes(4 * 814090)
    with Scene(["honest", "evil"], settings={"learning.interval": "2s"}) as scene:
        with scene.join("evil") as evil, scene.join("honest") as honest:
            made = scene.publish("evil", values, log=1000)
            first = Head.decode(made.head.head)
            rounds, number, end = scene.node.finished(), 0, time.monotonic() + 12
            while time.monotonic() < end:
                number += 1
                head = sign_head(first.but(sequence=number), evil.peer.identity)
                snapshot = kith_peer.Snapshot(head, made.manifest, made.chunks)
                evil.peer.held[snapshot.id()] = snapshot
                evil.send(Heads([head]))
                evil.serve(0.02)
                if number == 100:  # when it is in full swing
                    snapshot = scene.publish("honest", values)
                    honest.peer.hold(snapshot)
                    honest.send(Heads([snapshot.head]))
                honest.serve(0.01)
            rounds = scene.node.finished() - rounds
            fetched = {snapshot for snapshot, piece in evil.asked}
            assert number > 200 and rounds >= 3
            assert 0 < len(fetched) <= 2 * (rounds + 2) < 31
            assert honest.asked
            honest.ping(), evil.ping()


NOTES = {
    "that_is_no_utf8": b'{"row": "\xff\xfe"}',
    "that_is_no_json": b"[" * 40960,
    "that_is_deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "with_many_keys": b"{" + b",".join(b'"%d":1' % i for i in range(3000)) + b"}",
    "of_zeros": bytes(40960),
    "that_claims_groups": b'{"groups": [["nobody"], [1], {}]}',
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES.keys())
def test_note(scene, note):
    """It says nothing; the snapshot is as good as any."""
    with scene.attacker() as link:
        name = link.peer.identity.name
        snapshot = scene.allow(scene.publish(name, scene.values, note=note))
        scene.offer(link, snapshot)
        serve_together([link], "it is averaged with", lambda: scene.told(name)["averaged"], 30)


# --- Attacks that need patience ------------------------------------------------------------------


def slow_handshake(scene):
    """A byte now and then."""
    start = time.monotonic()
    with Wire.dial(scene.node.port) as wire:
        with contextlib.suppress(Closed):
            for byte in struct.pack(">H", 48) + bytes(48):
                wire.send_bytes(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    wire.receive_frame(0.5)
    return time.monotonic() - start


def no_hello(scene):
    start = time.monotonic()
    with scene.attacker(greet=False) as link:
        reason = link.end(20)
    return time.monotonic() - start, reason


def not_reading(scene):
    """Asks for more than the kernel's buffers hold, reads nothing, and says something now and then."""
    with scene.attacker() as link:
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.send(*[Fetch(scene.stable.id(), i % 4) for i in range(16)])
        start = time.monotonic()
        name = link.peer.identity.name
        while not scene.log("peer_disconnected", name) and time.monotonic() < start + 90:
            time.sleep(0.5)
            with contextlib.suppress(Closed):
                link.send(Pong(1))
        return time.monotonic() - start, [event["reason"] for event in scene.log("peer_disconnected", name)]


class Dribbler(Link):
    """From the first request on, says everything a byte at a time."""

    pending = b""

    def send(self, *messages):
        if not self.asked:
            return super().send(*messages)
        self.pending += stream(messages)

    def serve(self, seconds):
        super().serve(seconds)
        byte, self.pending = self.pending[:1], self.pending[1:]
        if byte:
            self.send_record(byte)


def seconds_until_another_holder_is_asked(scene, link):
    with link, scene.join(scene.name()) as holder:
        snapshot = scene.allow(scene.publish(scene.name(), scene.values))
        scene.offer(link, snapshot)
        link.send(Holding(snapshot.id()))
        link.wait("it asks", lambda: link.asked, 30)
        start = time.monotonic()
        holder.peer.hold(snapshot)
        holder.send(Holding(snapshot.id()))

        serve_together([link, holder], "it has all of it", lambda: knows(holder).get(snapshot.id()), 60)
        assert scene.told(link.peer.identity.name)["connected"]  # it is no reason to cut anybody off
        return time.monotonic() - start


def never_answering(scene):
    return seconds_until_another_holder_is_asked(scene, liar(scene, lambda piece, data: None))


def answering_byte_by_byte(scene):
    link = Dribbler(scene.peer(scene.name()), Wire.dial(scene.node.port), scene.itself)
    return seconds_until_another_holder_is_asked(scene, link)


def hanging_up_when_dialled(scene):
    times = []
    with contextlib.suppress(OSError):  # the end
        while True:
            scene.hang_up.accept()[0].close()
            times.append(time.monotonic())
    return times


PATIENT_ATTACKS = [
    slow_handshake, no_hello, not_reading, never_answering, answering_byte_by_byte, hanging_up_when_dialled,
]  # fmt: skip


def outcome(scene, attack):
    while not (running := scene.patient[attack]).done():
        scene.honest.serve(0.2)
    return running.result()


def test_slow_handshake(scene):
    assert outcome(scene, slow_handshake) < 15  # sooner if others come meanwhile: it gives way to them


def test_handshake_without_a_hello(scene):
    seconds, reason = outcome(scene, no_hello)
    assert 8 < seconds < 15
    assert reason is None


@pytest.mark.parametrize("attack", [never_answering, answering_byte_by_byte])
def test_withholding(scene, attack):
    """What does not come in time is asked of another."""
    assert outcome(scene, attack) < 30


def test_not_reading(scene):
    seconds, reasons = outcome(scene, not_reading)
    assert 50 < seconds < 80
    assert reasons == ["stalled"]


def test_hanging_up_when_dialled(scene):
    """It is dialled again after about twice as long each time."""
    scene.hang_up.shutdown(socket.SHUT_RDWR)
    times = outcome(scene, hanging_up_when_dialled)
    assert 4 < len(times) < 9 + (times[-1] - times[0]) / 15
    assert times[-1] - times[-2] > 5 * (times[1] - times[0])
