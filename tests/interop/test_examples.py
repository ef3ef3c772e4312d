"""The examples at the end of docs/protocol.md, made again by the Python peer: the document agrees with itself."""
import pathlib
import re
import struct

import kith_peer
import pytest
from kith_peer import (
    MANIFEST, VERSION, ZEROS, Admission, Apply, Cancel, Charter, CharterHeads, CharterPlace, CharterSignature, CharterVersion,
    CharterWanted, Evidence, Fetch, Goodbye, Have, Head, Hello, Identity, Invitation, Known, Manifest, Member, Ping, SealedKey, SignedVersion, Steward,
    Summary, TaskManifest, Wanted, digest, encode_message, node_id, sign_head, signed_by,
)  # fmt: skip
from nacl.signing import SigningKey

SEED = bytes(range(32))
DOCUMENT = (pathlib.Path(__file__).parents[2] / "docs/protocol.md").read_text()


@pytest.fixture(scope="module")
def examples():
    block = re.search(r"```\n(seed .*?)```", DOCUMENT, re.S).group(1)
    found, name = {}, None
    for line in block.splitlines():
        name = line[:13].strip() or name
        found[name] = found.get(name, "") + line[13:]
    texts = ("node id", "invite")
    return {name: value if name in texts else bytes.fromhex(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def identity():
    made = Identity("ward")
    made.signing = SigningKey(SEED)
    made.node_key = bytes(made.signing.verify_key)
    return made


def test_numbers():
    """Of messages and reasons, as in the document's tables."""
    version = int(re.search(r"Version (\d+)\.", DOCUMENT).group(1))
    assert version == VERSION
    messages = re.search(r"\| type \| message \| body \|\n(.*?)\n\n", DOCUMENT, re.S).group(1)
    assert dict(re.findall(r"\| (\d+) \| (\w+) \|", messages)) == {
        str(number): kind.__name__ for number, kind in enumerate(kith_peer.MESSAGES)
    }  # fmt: skip
    reasons = re.search(r"\| \| name \| \| name \|\n(.*?)\n\n", DOCUMENT, re.S).group(1)
    assert dict(re.findall(r"\| (\d+) \| `(\w+)`", reasons)) == {
        str(number): name for number, name in enumerate(kith_peer.REASONS)
    }  # fmt: skip


def test_names(examples, identity):
    assert examples["seed"] == SEED
    assert examples["public key"] == identity.node_key
    assert examples["node id"] == node_id(identity.node_key)
    assert examples["prologue"] == kith_peer.prologue("example")


def test_snapshot(examples, identity):
    manifest = Manifest([digest(b"chunk")], [SealedKey(identity.node_key, bytes(80))], False, b"{}")
    assert examples["manifest"] == manifest.encode()
    assert Manifest.decode(examples["manifest"]) == manifest
    head = Head.decode(examples["head"])
    assert (head.origin, head.sequence, head.round, head.task) == (identity.node_key, 7, 12, digest(b"task"))
    assert (head.manifest, head.manifest_size) == (digest(examples["manifest"]), len(examples["manifest"]))
    signed = sign_head(head, identity, "example")
    assert (signed.head, signed.signature) == (examples["head"], examples["signature"])
    assert signed.signed("example") and not signed.signed("another")
    assert examples["snapshot id"] == signed.id()
    assert examples["chunk"] == kith_peer.chacha20poly1305_seal(b"abc", None, kith_peer.chunk_nonce(1), SEED)


def test_encodings(examples):
    values = struct.pack("<4f", 1, -2.5, 0.001, 100)
    for name, encoding in kith_peer.ENCODINGS.items():
        assert examples[name] == encoding.pack(values), name
        assert encoding.pack(encoding.unpack(examples[name])) == examples[name]


def test_messages(examples, identity):
    snapshot = examples["snapshot id"]
    messages = {
        "hello": Hello(VERSION, VERSION, 0, digest(b"task"), "kith"),
        "goodbye": Goodbye(kith_peer.REASONS.index("other_task")),
        "ping": Ping(1),
        "summary": Summary([Known(snapshot, True)], False),
        "fetch": Fetch(snapshot, MANIFEST),
        "have": Have(snapshot, [0]),
        "wanted": Wanted(snapshot, False),
        "cancel": Cancel(snapshot, MANIFEST),
    }
    head = Head.decode(examples["head"])
    two = sorted((sign_head(each, identity, "example") for each in (head, head.but(round=13))), key=lambda one: one.head)
    messages["evidence"] = Evidence(*two)
    assert messages["evidence"].liar("example") == identity.node_key
    for name, message in messages.items():
        assert examples[name] == encode_message(message), name
        assert kith_peer.decode_message(examples[name]) == message


def test_charter(examples, identity):
    member = Member(identity.node_key, SEED, "ward", ["ward:7700"])
    version = Charter(
        1, "example", 1, ZEROS, 2000000000, 1, [Steward(identity.node_key, "ward")], [member]
    )  # fmt: skip
    assert examples["charter"] == version.encode()
    assert examples["charter id"] == version.id()
    signature = identity.sign(b"kith charter 1\n" + version.id())
    assert examples["charter sig"] == signature
    signed = SignedVersion(version.encode(), [CharterSignature(identity.node_key, signature)])
    assert SignedVersion.decode(signed.encode()) == signed
    assert examples["ch heads"] == encode_message(CharterHeads([CharterPlace(1, version.id())]))
    assert examples["ch wanted"] == encode_message(CharterWanted(version.id()))
    assert examples["ch version"] == encode_message(CharterVersion(signed))
    invitation = Invitation("example", version.id(), member, SEED[:16], 2000000000)
    assert examples["invite"] == invitation.to_text()
    assert Invitation.of_text(examples["invite"]) == invitation
    card_signature = examples["member card"][-64:]
    assert examples["apply"] == encode_message(Apply(SEED[:16], member, card_signature))
    assert examples["task"] == encode_message(TaskManifest("kith task\na=1"))
    renewal = kith_peer.Renewal.of(identity, member, 1900000000, b"\x11" * 32, ["ward:7701"])
    assert examples["entry"] == renewal.entry
    assert examples["renewals"] == encode_message(kith_peer.Renewals([renewal]))
    assert examples["renew list"] == encode_message(kith_peer.RenewalList([digest(renewal.encode())]))
    assert examples["admission"] == encode_message(Admission(1, "", 1, version.id(), "[task]\n"))
    assert Member.of_card("kith-member-1 " + examples["member card"].hex()) == member
    assert signed_by(identity.node_key, examples["member card"][-64:], b"kith member 1\n" + member.encode())
