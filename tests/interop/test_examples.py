"""The examples at the end of docs/protocol.md, made again by the Python peer: the document agrees with itself."""
import pathlib
import re
import struct

import kith_peer
import pytest
from kith_peer import (
    MANIFEST, VERSION, ZEROS, Admission, Apply, Cancel, Card, CardList, Cards, Charter, CharterHead, CharterSignature,
    CharterVersion, CharterWanted, Evidence, Fetch, Goodbye, Have, Head, Hello, Identity, Invitation, Known, Manifest,
    Member, Ping, SealedKey, SignedVersion, Steward, Summary, TaskManifest, Wanted, charter_file, chunk_key, commitment, digest,
    encode_message, node_id, read_charter_file, sign_head, sign_version,
)  # fmt: skip
from nacl.signing import SigningKey, VerifyKey

SEED, CHANNEL_SEED, CONTENT_KEY = (bytes(range(first, first + 32)) for first in (0, 32, 64))
DOCUMENT = (pathlib.Path(__file__).parents[2] / "docs/protocol.md").read_text()


@pytest.fixture(scope="module")
def examples():
    block = re.search(r"```\n(seed .*?)```", DOCUMENT, re.S).group(1)
    found, name = {}, None
    for line in block.splitlines():
        name = line[:14].strip() or name
        found[name] = found.get(name, "") + line[14:]
    texts = ("node id", "invite", "card")
    return {name: value if name in texts else bytes.fromhex(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def identity():
    made = Identity("ward")
    made.signing = SigningKey(SEED)
    made.node_key = bytes(made.signing.verify_key)
    return made.use_channel(CHANNEL_SEED)


@pytest.fixture(scope="module")
def version(identity):
    return Charter(
        2, "example", 1, ZEROS, 2000000000, 1, [Steward(identity.node_key, "ward")], [Member(identity.node_key, "ward")]
    )  # fmt: skip


@pytest.fixture(scope="module")
def card(identity, version):
    return identity.card(version.id(), "ward:7700", issued=1900000000)


def test_numbers():
    """Of messages and reasons, as in the document's tables."""
    written = int(re.search(r"Version (\d+)\.", DOCUMENT).group(1))
    assert written == VERSION
    messages = re.search(r"\| type \| message \| body \|\n(.*?)\n\n", DOCUMENT, re.S).group(1)
    assert dict(re.findall(r"\| (\d+) \| (\w+) \|", messages)) == {
        str(number): kind.__name__ for number, kind in enumerate(kith_peer.MESSAGES)
    }  # fmt: skip
    reasons = re.search(r"\| \| name \| \| name \|\n(.*?)\n\n", DOCUMENT, re.S).group(1)
    assert dict(re.findall(r"\| (\d+) \| `(\w+)`", reasons)) == {
        str(number): name for number, name in enumerate(kith_peer.REASONS)
    }  # fmt: skip


def test_offsets():
    """Of a head, as in the document's table."""
    table = re.search(r"\| offset \| bytes \| field \| \|\n(.*?)\n\n", DOCUMENT, re.S).group(1)
    at, fields = 0, iter(Head.__annotations__.items())
    for offset, size, name in re.findall(r"\| (\d+) \| (\d+) \| `(\w+)` \|", table):
        assert (int(offset), next(fields)) == (at, (name, kith_peer.Head.__annotations__[name]))
        assert int(size) == Head.__annotations__[name].size
        at += int(size)
    assert (at, next(fields, None)) == (233, None)


def test_names(examples, identity, version):
    assert (examples["seed"], examples["channel seed"]) == (SEED, CHANNEL_SEED)
    assert examples["public key"] == identity.node_key
    assert examples["node id"] == node_id(identity.node_key)
    assert examples["channel key"] == identity.channel_key
    assert examples["channel dh"] == kith_peer.x25519(identity.channel_key)
    assert examples["channel dh"] == bytes(VerifyKey(identity.channel_key).to_curve25519_public_key())
    assert examples["channel dh"] == bytes(kith_peer.PrivateKey(identity.channel_secret).public_key)
    assert examples["prologue"] == kith_peer.prologue(version.id(), identity.node_key)


def test_snapshot(examples, identity, version):
    head = Head.decode(examples["head"])
    assert (head.origin, head.key, head.founded) == (identity.node_key, identity.channel_key, version.id())
    assert (head.sequence, head.round, head.task) == (7, 12, digest(b"task"))
    assert examples["context"] == head.context()
    assert examples["content key"] == CONTENT_KEY
    assert examples["commitment"] == commitment(CONTENT_KEY, head.context())
    manifest = Manifest(
        [digest(b"chunk")], examples["commitment"], [SealedKey(identity.node_key, bytes(80))], False, b"{}"
    )  # fmt: skip
    assert examples["manifest"] == manifest.encode()
    assert Manifest.decode(examples["manifest"]) == manifest
    assert (head.manifest, head.manifest_size) == (digest(examples["manifest"]), len(examples["manifest"]))
    signed = sign_head(head, identity)
    assert (signed.head, signed.signature) == (examples["head"], examples["signature"])
    assert signed.signed() and not sign_head(head, Identity("other")).signed()
    assert examples["snapshot id"] == signed.id()
    key = chunk_key(CONTENT_KEY, head.context())
    assert examples["chunk"] == kith_peer.chacha20poly1305_seal(b"abc", None, kith_peer.chunk_nonce(1), key)


def test_encodings(examples):
    values = struct.pack("<4f", 1, -2.5, 0.001, 100)
    for name, encoding in kith_peer.ENCODINGS.items():
        assert examples[name] == encoding.pack(values), name
        assert encoding.pack(encoding.unpack(examples[name])) == examples[name]


def test_messages(examples, identity, version):
    snapshot = examples["snapshot id"]
    messages = {
        "hello": Hello(VERSION, VERSION, 0, identity.node_key, identity.node_key, digest(b"task"), "kith"),
        "goodbye": Goodbye(kith_peer.REASONS.index("other_task")),
        "ping": Ping(1),
        "summary": Summary([Known(snapshot, True)], False),
        "fetch": Fetch(snapshot, MANIFEST),
        "have": Have(snapshot, [0]),
        "wanted": Wanted(snapshot, False),
        "cancel": Cancel(snapshot, MANIFEST),
        "task": TaskManifest("kith task\na=1"),
    }
    head = Head.decode(examples["head"])
    two = sorted((sign_head(each, identity) for each in (head, head.but(round=13))), key=lambda one: one.head)
    messages["evidence"] = Evidence(*two)
    assert messages["evidence"].liar(version.id()) == identity.node_key
    for name, message in messages.items():
        assert examples[name] == encode_message(message), name
        assert kith_peer.decode_message(examples[name]) == message


def test_charter(examples, identity, version, card):
    assert examples["charter"] == version.encode()
    assert examples["charter id"] == version.id()
    signed = sign_version(version, identity)
    assert signed.signatures == [CharterSignature(identity.node_key, examples["charter sig"])]
    assert SignedVersion.decode(signed.encode()) == signed
    assert examples["ch head"] == encode_message(CharterHead(1, version.id()))
    assert examples["ch wanted"] == encode_message(CharterWanted(1))
    assert examples["ch version"] == encode_message(CharterVersion(signed))
    assert examples["ch file"] == charter_file(signed, cards=[card])
    read = read_charter_file(examples["ch file"])
    assert (read.versions, read.cards, read.rivals, read.settled) == ([signed], [card], [], 0)


def test_card_and_invitation(examples, identity, version, card):
    assert examples["card"] == card.to_text()
    assert Card.of_text(examples["card"]) == card
    assert examples["cards"] == encode_message(Cards([card]))
    assert examples["card list"] == encode_message(CardList([card.id()]))
    invitation = Invitation(
        "example", version.id(), 1, version.id(), identity.node_key, identity.channel_key, "ward", ["ward:7700"],
        SEED[:16], 2000000000,
    )  # fmt: skip
    assert examples["invite"] == invitation.to_text()
    assert Invitation.of_text(examples["invite"]) == invitation
    assert examples["apply"] == encode_message(Apply(SEED[:16], card))
    assert examples["admission"] == encode_message(Admission(1, "", 1, version.id(), "[task]\n"))
