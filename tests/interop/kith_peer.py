"""A Kith peer for tests, written from docs/protocol.md alone: it shares no code with the one it is to test.

Reading is as strict as the document. Writing is not: a liar writes what it likes.

Exits with status 77 if what it needs is not installed (Debian: python3-dissononce, python3-nacl, python3-zstandard).
"""
import array
import base64
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import socket
import struct
import sys
import time

try:
    import zstandard
    from nacl.bindings import crypto_aead_chacha20poly1305_ietf_decrypt as chacha20poly1305_open
    from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt as chacha20poly1305_seal
    from nacl.exceptions import CryptoError
    from nacl.public import PrivateKey, PublicKey, SealedBox
    from nacl.signing import SigningKey, VerifyKey
except ImportError as error:
    print(f"skipped: {error}; install python3-nacl and python3-zstandard", file=sys.stderr)
    sys.exit(77)

import dissononce_kith as noise

VERSION = 4
CHUNK = 524288  # bytes before compression, of every chunk but the last
NEEDS_COMPANY = 1  # a feature: fewer than two connections
MANIFEST = 0xFFFFFFFF  # the "piece" that is the manifest
LARGEST_RECORD = 65519  # bytes of plaintext
LARGEST_MESSAGE = 524345  # bytes, type included
LARGEST_SMALL_MESSAGE = 65536  # of every type but Piece and CharterVersion
ZEROS = bytes(32)
INVITATION = "kith-invite-2-"
CARD = "kith-card-2-"

REASONS = (
    "shutting_down connection_lost handshake_timeout handshake_failed not_a_member wrong_peer version_mismatch"
    " other_task malformed oversized idle stalled duplicate expired forged unreachable crowded rotated denied"
    " outdated_key internal_error"
).split()


def digest(data, key=b""):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


# --- Encodings -----------------------------------------------------------------------------------


class Malformed(Exception):
    """What was read is not what the document says."""


def check(truth, what):
    if not truth:
        raise Malformed(what)


class Reader:
    def __init__(self, data):
        self.rest = memoryview(data)

    def take(self, count):
        check(count <= len(self.rest), f"{count} bytes wanted, {len(self.rest)} left")
        taken, self.rest = bytes(self.rest[:count]), self.rest[count:]
        return taken

    def end(self):
        check(not self.rest, f"{len(self.rest)} bytes left over")


@dataclasses.dataclass(frozen=True)
class Integer:
    size: int

    def encode(self, value):
        return value.to_bytes(self.size, "little")

    def read(self, reader):
        return int.from_bytes(reader.take(self.size), "little")


@dataclasses.dataclass(frozen=True)
class Fixed:
    """So many bytes, without a length before them."""

    size: int

    def encode(self, value):
        return bytes(value)

    def read(self, reader):
        return reader.take(self.size)


class Flag:
    @staticmethod
    def encode(value):
        return bytes([value])

    @staticmethod
    def read(reader):
        value = reader.take(1)[0]
        check(value <= 1, f"a flag is {value}")
        return value == 1


@dataclasses.dataclass(frozen=True)
class Data:
    """A list of bytes."""

    maximum: int

    def encode(self, value):
        return struct.pack("<I", len(value)) + value

    def read(self, reader):
        count = U32.read(reader)
        check(count <= self.maximum, f"a list has {count} of at most {self.maximum}")
        return reader.take(count)


class Text(Data):
    def encode(self, value):
        return super().encode(value.encode() if isinstance(value, str) else value)

    def read(self, reader):
        try:
            return super().read(reader).decode()
        except UnicodeDecodeError:
            raise Malformed("a text is not UTF-8") from None


@dataclasses.dataclass(frozen=True)
class ListOf:
    item: object
    maximum: int

    def encode(self, values):
        return struct.pack("<I", len(values)) + b"".join(self.item.encode(value) for value in values)

    def read(self, reader):
        count = U32.read(reader)
        check(count <= self.maximum, f"a list has {count} of at most {self.maximum}")
        return [self.item.read(reader) for _ in range(count)]


U8, U16, U32, U64 = Integer(1), Integer(2), Integer(4), Integer(8)
HASH = KEY = Fixed(32)
SIGNATURE = Fixed(64)


class Record:
    """Fields one after the other: what a subclass annotates its attributes with is how they are written."""

    def __init_subclass__(cls):
        dataclasses.dataclass(cls)

    def encode(self):
        return b"".join(codec.encode(getattr(self, name)) for name, codec in self.__annotations__.items())

    @classmethod
    def read(cls, reader):
        return cls(*[codec.read(reader) for codec in cls.__annotations__.values()])

    @classmethod
    def decode(cls, data):
        reader = Reader(data)
        value = cls.read(reader)
        reader.end()
        return value

    def but(self, **changes):
        return dataclasses.replace(self, **changes)


# --- Names ---------------------------------------------------------------------------------------


class Identity:
    """A node's secret keys. Made from a name, so that a test that fails does so again."""

    def __init__(self, name, generation=0):
        """`generation` is that of its channel key."""
        self.name = name
        self.signing = SigningKey(digest(b"identity " + name.encode()))
        self.node_key = bytes(self.signing.verify_key)
        self.use_channel(digest(f"channel {name} {generation}".encode()))

    def use_channel(self, seed):
        self.channel = SigningKey(seed)
        self.channel_key = bytes(self.channel.verify_key)
        self.channel_secret = x25519_secret(seed)
        return self

    def sign(self, data):
        return self.signing.sign(data).signature

    def member(self):
        return Member(self.node_key, self.name)

    def card(self, founded, *addresses, issued=None, **liberties):
        """What it says of itself; a liar says it of somebody else, too."""
        usual = {"founded": founded, "node_key": self.node_key, "issued": issued or int(time.time()) - 3600,
                 "channel_key": self.channel_key, "name": self.name, "addresses": list(addresses),
                 "by_node": bytes(64), "by_channel": bytes(64)}  # fmt: skip
        return Card(**usual | liberties).signed(self)

    def apply(self, token, founded, **liberties):
        """What it says to be let in."""
        return Apply(token, self.card(founded, **liberties))

    def unseal(self, sealed):
        return SealedBox(PrivateKey(self.channel_secret)).decrypt(sealed)


def x25519_secret(seed):
    """The secret half of a channel key's X25519 form, not clamped yet."""
    return hashlib.sha512(seed).digest()[:32]


def x25519(channel_key):
    """The public half."""
    prime = 2**255 - 19
    y = int.from_bytes(channel_key, "little") % 2**255
    return ((1 + y) * pow(1 - y, -1, prime) % prime).to_bytes(32, "little")


def seal(data, channel_key):
    return SealedBox(PublicKey(x25519(channel_key))).encrypt(data)


def signed_by(key, signature, data):
    try:
        VerifyKey(key).verify(data, signature)
    except (CryptoError, ValueError):
        return False
    return True


def checked_text(word, data):
    return word + base64.urlsafe_b64encode(data + digest(word.encode() + data)[:4]).rstrip(b"=").decode()


def of_checked_text(word, text):
    text = "".join(text.split())
    check(text.startswith(word), f"no {word}")
    data = base64.urlsafe_b64decode(text[len(word) :] + "==")
    check(digest(word.encode() + data[:-4])[:4] == data[-4:], "mistyped")
    return data[:-4]


DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def node_id(node_key):
    """As people read it."""
    number = int.from_bytes(node_key, "big") << 4  # 52 digits of five bits
    number <<= 20  # the check digits
    number += -number % 1048517
    text = "".join(DIGITS[number >> 5 * i & 31] for i in reversed(range(56)))
    return "-".join(text[i : i + 7] for i in range(0, 56, 7))


# --- Cards and charters --------------------------------------------------------------------------


class Card(Record):
    founded: HASH
    node_key: KEY
    issued: U64
    channel_key: KEY
    name: Text(64)
    addresses: ListOf(Text(255), 4)
    by_node: SIGNATURE
    by_channel: SIGNATURE

    def id(self):
        return digest(self.encode())

    def text(self, by):
        """What is signed, by "node" or "channel"."""
        return f"kith card 2 by {by}\n".encode() + self.encode()[:-128]

    def signed(self, identity):
        """By both keys of this node, whatever the card says."""
        by_channel = identity.channel.sign(self.text("channel")).signature
        return self.but(by_node=identity.sign(self.text("node")), by_channel=by_channel)

    def sound(self):
        """Names and addresses are not looked at."""
        return signed_by(self.node_key, self.by_node, self.text("node")) and signed_by(
            self.channel_key, self.by_channel, self.text("channel")
        )

    def rank(self):
        """Of two cards of a node that with the higher is in force."""
        addresses = [address.encode() for address in self.addresses]
        return self.issued, self.channel_key, addresses, self.name.encode(), self.by_node, self.by_channel

    def to_text(self):
        return checked_text(CARD, self.encode())

    @classmethod
    def of_text(cls, text):
        card = cls.decode(of_checked_text(CARD, text))
        check(card.sound(), "a card with a wrong signature")
        return card


class Steward(Record):
    node_key: KEY
    name: Text(64)


class Member(Record):
    node_key: KEY
    name: Text(64)


class Charter(Record):
    format: U8
    consortium: Text(64)
    number: U64
    previous: HASH
    expires: U64
    threshold: U32
    stewards: ListOf(Steward, 64)
    members: ListOf(Member, 512)

    def id(self):
        return digest(self.encode())


class CharterSignature(Record):
    steward: KEY
    signature: SIGNATURE


class SignedVersion(Record):
    body: Data(65536)
    signatures: ListOf(CharterSignature, 128)


def first_version(consortium, members, stewards, days=30):
    """Of stewards who need not be members."""
    expires = int(time.time()) + days * 86400
    return Charter(2, consortium, 1, ZEROS, expires, len(stewards) // 2 + 1,
                   by_key([Steward(steward.node_key, steward.name) for steward in stewards]), by_key(members))  # fmt: skip


def by_key(named):
    return sorted(named, key=lambda one: one.node_key)


def sign_version(version, *stewards):
    signatures = [CharterSignature(one.node_key, one.sign(b"kith charter 2\n" + version.id())) for one in stewards]
    return SignedVersion(version.encode(), sorted(signatures, key=lambda one: one.steward))


class CharterFile(Record):
    """A charter file, but for its first line."""

    versions: ListOf(SignedVersion, 1024)
    cards: ListOf(Card, 512)
    rivals: ListOf(SignedVersion, 16)
    settled: U64


def charter_file(*versions, cards=(), rivals=(), settled=0):
    return b"kith charter file 2\n" + CharterFile(list(versions), list(cards), list(rivals), settled).encode()


def read_charter_file(data):
    check(data.startswith(b"kith charter file 2\n"), "no charter file")
    return CharterFile.decode(data[20:])


class Invitation(Record):
    consortium: Text(64)
    founded: HASH
    number: U64
    version: HASH
    inviter: KEY
    channel_key: KEY
    name: Text(64)
    addresses: ListOf(Text(255), 4)
    token: Fixed(16)
    expires: U64

    def to_text(self):
        return checked_text(INVITATION, self.encode())

    @classmethod
    def of_text(cls, text):
        return cls.decode(of_checked_text(INVITATION, text))


# --- Snapshots -----------------------------------------------------------------------------------


class SealedKey(Record):
    reader: KEY
    sealed: Fixed(80)


class Manifest(Record):
    chunks: ListOf(HASH, 8192)
    commitment: HASH
    keys: ListOf(SealedKey, 512)
    note_sealed: Flag
    note: Data(40960)


class Head(Record):
    format: U8
    founded: HASH
    origin: KEY
    key: KEY
    log: U64
    sequence: U64
    previous: HASH
    task: HASH
    round: U32
    examples: U64
    size: U64
    manifest_size: U32
    manifest: HASH

    def id(self):
        return digest(self.encode())

    def context(self):
        """What the content key is bound to."""
        return self.encode()[1:65] + self.encode()[97:113]


class SignedHead(Record):
    head: Fixed(233)
    signature: SIGNATURE

    def signed(self):
        """Whether it is, by the key that it names."""
        return signed_by(Head.decode(self.head).key, self.signature, b"kith head 3\n" + self.head)

    def id(self):
        return digest(self.head)


def sign_head(head, identity):
    encoded = head.encode()
    return SignedHead(encoded, identity.channel.sign(b"kith head 3\n" + encoded).signature)


def chunk_key(content_key, context):
    return digest(b"kith chunk key 2\n" + context, content_key)


def commitment(content_key, context):
    return digest(b"kith key commitment 2\n" + context, content_key)


def chunk_nonce(number):
    return bytes(4) + struct.pack("<Q", number)


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How little-endian float32 values travel."""

    per_chunk: int  # values
    pack: object  # their bytes to those of a chunk before compression
    unpack: object  # the other way

    def chunks(self, values):
        size = 4 * self.per_chunk
        return [self.pack(values[at : at + size]) for at in range(0, len(values), size)]


def planes(data, width):
    """The bytes of words of this width: all lowest ones first."""
    return b"".join(data[i::width] for i in range(width))


def words(data, width):
    """The other way."""
    joined, count = bytearray(len(data)), len(data) // width
    for i in range(width):
        joined[i::width] = data[i * count : (i + 1) * count]
    return bytes(joined)


def pack_bf16(values):
    def upper(word):
        if word & 0x7FFFFFFF > 0x7F800000:  # not a number, and stays so
            return word >> 16 | 0x40
        return word + 0x7FFF + (word >> 16 & 1) >> 16

    return planes(array.array("H", map(upper, array.array("I", values))).tobytes(), 2)


def unpack_bf16(data):
    return array.array("I", [word << 16 for word in array.array("H", words(data, 2))]).tobytes()


def pack_int8(values):
    floats, steps, scales = array.array("f", values), array.array("b"), array.array("f")
    for at in range(0, len(floats), 252):
        block = floats[at : at + 252]
        scale = array.array("f", [max(map(abs, block)) / 127])[0]
        scales.append(scale if scale >= 2**-126 else 0)
        steps.extend(max(-127, min(127, round(value / scale))) if scales[-1] else 0 for value in block)
    return steps.tobytes() + planes(scales.tobytes(), 4)


def unpack_int8(data):
    count = len(data) - 4 * -(-len(data) // 256)
    scales = array.array("f", words(data[count:], 4))
    return array.array("f", [step * scales[i // 252] for i, step in enumerate(array.array("b", data[:count]))]).tobytes()


ENCODINGS = {
    "bf16": Encoding(262144, pack_bf16, unpack_bf16),
    "fp32": Encoding(131072, functools.partial(planes, width=4), functools.partial(words, width=4)),
    "int8": Encoding(516096, pack_int8, unpack_int8),
}


@functools.lru_cache(100)
def packed(values, encoding):
    """Chunks before compression; the tests publish the same models again and again."""
    return tuple(ENCODINGS[encoding].chunks(values))


@functools.lru_cache(100)
def compress(chunk):
    frame = zstandard.ZstdCompressor(level=1).compress(chunk)
    return frame if len(frame) < len(chunk) else chunk


def decompress(data, size):
    if len(data) == size:
        return data
    check(len(data) < size, "longer than before compression")
    check(zstandard.get_frame_parameters(data).content_size == size, "announces another size")
    frame = zstandard.ZstdDecompressor().decompressobj()
    raw = frame.decompress(data)
    check(len(raw) == size and not frame.unused_data, "bytes after the frame, or another size")
    return raw


@dataclasses.dataclass
class Snapshot:
    """All there is of one: what its origin makes and a holder keeps."""

    head: SignedHead
    manifest: bytes
    chunks: list  # None for one that is not held

    def id(self):
        return self.head.id()

    def complete(self):
        return None not in self.chunks

    def only(self, numbers):
        """As somebody holds it who has only these chunks."""
        held = [chunk if number in numbers else None for number, chunk in enumerate(self.chunks)]
        return Snapshot(self.head, self.manifest, held)

    def piece(self, number):
        """None if there is no such piece."""
        if number == MANIFEST:
            return self.manifest
        return self.chunks[number] if number < len(self.chunks) else None

    def open(self, identity, encoding):
        """Its values; Malformed if anything is not as it should be."""
        head, manifest = Head.decode(self.head.head), Manifest.decode(self.manifest)
        check(digest(self.manifest) == head.manifest and len(self.manifest) == head.manifest_size, "another manifest")
        check(len(manifest.chunks) == -(-head.size // CHUNK), "another number of chunks")
        keys = [entry.sealed for entry in manifest.keys if entry.reader == identity.node_key]
        check(len(keys) == 1, "not sealed to us, or more than once")
        content_key = identity.unseal(keys[0])
        check(commitment(content_key, head.context()) == manifest.commitment, "another content key than the others'")
        key = chunk_key(content_key, head.context())
        values = []
        for number, (chunk, expected) in enumerate(zip(self.chunks, manifest.chunks, strict=True)):
            check(digest(chunk) == expected, f"chunk {number} has another hash")
            plain = chacha20poly1305_open(chunk, None, chunk_nonce(number), key)
            values.append(ENCODINGS[encoding].unpack(decompress(plain, min(CHUNK, head.size - number * CHUNK))))
        return b"".join(values)


def encrypt(chunks, readers, context, note=b""):
    """The manifest and the ciphertexts of chunks that these members, of whom their cards are given, can read."""
    content_key = os.urandom(32)
    key = chunk_key(content_key, context)
    sealed = [chacha20poly1305_seal(chunk, None, chunk_nonce(number), key) for number, chunk in enumerate(chunks)]
    keys = [SealedKey(reader.node_key, seal(content_key, reader.channel_key)) for reader in readers]
    made = Manifest([digest(chunk) for chunk in sealed], commitment(content_key, context), keys, False, note)
    return made, sealed


def publish(identity, founded, task, values, readers, *, encoding="bf16", compression=compress, sequence=1, log=None,
            note=b"", manifest=None, context=None, **fields):  # fmt: skip
    """A snapshot of these values. A liar may compress them in his own way, give another encoded manifest, bind them to
    another context, and give other fields of the head.
    """
    raw = packed(values, encoding)
    log = log or time.time_ns() // 1000
    head = Head(3, founded, identity.node_key, identity.channel_key, log, sequence, ZEROS, task, 1, 100,
                sum(map(len, raw)), 0, ZEROS)  # fmt: skip
    made, chunks = encrypt([compression(chunk) for chunk in raw], readers, context or head.context(), note)
    encoded = made.encode() if manifest is None else manifest(made)
    head = head.but(manifest_size=len(encoded), manifest=digest(encoded))
    return Snapshot(sign_head(head.but(**fields), identity), encoded, chunks)


def write_tensors(tensors):
    """A safetensors file of {name: (shape, little-endian floats)}, as a snapshot is to be."""
    header, offset = {}, 0
    for name in sorted(tensors):
        shape, data = tensors[name]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors[name][1] for name in sorted(tensors))


# --- Messages ------------------------------------------------------------------------------------


class Hello(Record):
    version: U8
    oldest: U8
    features: U64
    sender: KEY
    receiver: KEY
    task: HASH
    agent: Text(64)


class Goodbye(Record):
    reason: U8

    def __str__(self):
        return REASONS[self.reason]


class Ping(Record):
    token: U64


class Pong(Record):
    token: U64


class Heads(Record):
    heads: ListOf(SignedHead, 64)


class Known(Record):
    snapshot: HASH
    complete: Flag


class Summary(Record):
    snapshots: ListOf(Known, 1024)
    answer: Flag


class Holding(Record):
    snapshot: HASH


class Fetch(Record):
    snapshot: HASH
    piece: U32


class Piece(Record):
    snapshot: HASH
    piece: U32
    data: Data(524304)


class Unavailable(Record):
    snapshot: HASH
    piece: U32
    busy: Flag


class Have(Record):
    snapshot: HASH
    chunks: ListOf(U32, 8192)


class Wanted(Record):
    snapshot: HASH
    relay: Flag


class Cancel(Record):
    snapshot: HASH
    piece: U32


class Evidence(Record):
    first: SignedHead
    second: SignedHead

    def liar(self, founded):
        """The origin that it convicts; Malformed if it convicts nobody."""
        first, second = Head.decode(self.first.head), Head.decode(self.second.head)
        check(first.origin == second.origin and position(self.first) == position(self.second), "two places")
        check(first.key == second.key and first.founded == second.founded == founded, "two keys, or consortia")
        check(self.first.head < self.second.head, "the same head, or the lesser one is not first")
        check(self.first.signed() and self.second.signed(), "a wrong signature")
        return first.origin


class CharterHead(Record):
    number: U64
    version: HASH

    @classmethod
    def of(cls, version):
        return cls(version.number, version.id())


class CharterWanted(Record):
    number: U64


class CharterVersion(Record):
    charter: SignedVersion


class Apply(Record):
    token: Fixed(16)
    card: Card


class Admission(Record):
    state: U8
    why: Text(255)
    number: U64
    version: HASH
    task: Text(61440)


class TaskManifest(Record):
    manifest: Text(61440)


class CardList(Record):
    cards: ListOf(HASH, 512)


class Cards(Record):
    cards: ListOf(Card, 16)


MESSAGES = [
    Hello, Goodbye, Ping, Pong, Heads, Summary, Holding, Fetch, Piece, Unavailable, Have, Wanted, Cancel, Evidence,
    CharterHead, CharterWanted, CharterVersion, Apply, Admission, TaskManifest, CardList, Cards,
]  # fmt: skip, by type


def encode_message(message):
    """Type and body, without the length."""
    return bytes([MESSAGES.index(type(message))]) + message.encode()


def decode_message(data):
    check(data, "an empty message")
    check(data[0] < len(MESSAGES), f"message type {data[0]}")
    kind = MESSAGES[data[0]]
    check(kind in (Piece, CharterVersion) or len(data) <= LARGEST_SMALL_MESSAGE, f"{kind.__name__} of {len(data)} bytes")
    message = kind.decode(data[1:])
    check(kind is not Admission or message.state <= 2, "an unknown state")
    check(kind is not Goodbye or message.reason < len(REASONS), "an unknown reason")
    return message


# --- Connections ---------------------------------------------------------------------------------


class Closed(Exception):
    """The other side has hung up, or the connection broke."""


class Wire:
    """Frames over a socket."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = b""

    @classmethod
    def dial(cls, port, seconds=10):
        return cls(socket.create_connection(("127.0.0.1", port), seconds))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_bytes(self, data, seconds=10):
        self.socket.settimeout(seconds)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def send_frame(self, content, seconds=10):
        self.send_bytes(struct.pack(">H", len(content)) + content, seconds)

    def receive_frame(self, seconds=10):
        """TimeoutError if it is not there by then; what has come of it is kept."""
        end = time.monotonic() + seconds
        while len(self.buffer) < 2 or len(self.buffer) < 2 + int.from_bytes(self.buffer[:2], "big"):
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                part = self.socket.recv(1 << 20)
            except ConnectionResetError as error:
                raise Closed from error
            if not part:
                raise Closed
            self.buffer += part
        length = 2 + int.from_bytes(self.buffer[:2], "big")
        frame, self.buffer = self.buffer[2:length], self.buffer[length:]
        return frame

    def silent_end(self, seconds=15):
        """Waits until the other side has hung up, and is sure that it did so without a word."""
        try:
            said = self.receive_frame(seconds)
        except Closed:
            return not self.buffer
        raise AssertionError(f"it said {said!r}")


def prologue(founded, responder):
    return b"kith/4\n" + founded + responder


class Connection(Wire):
    """Messages over the encrypted channel. `remote` is the card of whom it dials."""

    def __init__(self, wire, identity, founded, remote=None, text=None):
        """Shakes hands, as the initiator if `remote` is given."""
        super().__init__(wire.socket)
        initiator = remote is not None
        text = text or prologue(founded, remote.node_key if initiator else identity.node_key)
        static, other = noise.key_pair(identity.channel_secret), initiator and x25519(remote.channel_key)
        state = noise.handshake(initiator, text, static, other or None)
        ciphers = None
        for turn in range(3):
            if (turn % 2 == 0) == initiator:
                frame = bytearray()
                ciphers = state.write_message(b"", frame)
                self.send_frame(bytes(frame))
            else:
                payload = bytearray()
                frame = self.receive_frame()
                check(len(frame) == (48, 48, 64)[turn], f"handshake frame {turn + 1} of {len(frame)} bytes")
                ciphers = state.read_message(frame, payload)
                check(not payload, "a payload in the handshake")
        self.remote = bytes(state.rs.data)
        ours, theirs = ciphers if initiator else reversed(ciphers)
        self.sending, self.receiving = noise.Direction(ours), noise.Direction(theirs)
        self.records_sent = self.records_received = 0
        self.stream = b""

    def send_record(self, plaintext, seconds=10):
        self.records_sent += 1
        self.send_frame(self.sending.seal(plaintext), seconds)

    def send_stream(self, data, record=LARGEST_RECORD):
        """Any bytes, cut into records of this many."""
        for at in range(0, len(data), record):
            self.send_record(data[at : at + record])

    def send_encoded(self, message):
        """Type and body."""
        self.send_stream(struct.pack("<I", len(message)) + message)

    def send(self, *messages):
        encoded = [encode_message(message) for message in messages]
        self.send_stream(b"".join(struct.pack("<I", len(message)) + message for message in encoded))

    def receive(self, seconds=10):
        """The next message; Closed, or TimeoutError."""
        end = time.monotonic() + seconds
        while True:
            length = int.from_bytes(self.stream[:4], "little")
            if len(self.stream) >= 4:
                check(length <= LARGEST_MESSAGE, f"a message of {length} bytes")
                if len(self.stream) >= 4 + length:
                    message, self.stream = self.stream[4 : 4 + length], self.stream[4 + length :]
                    return decode_message(message)
            self.stream += self.receiving.open(self.receive_frame(end - time.monotonic()))
            self.records_received += 1

    def end(self, seconds=15):
        """Reads on until the other has hung up. The reason that its Goodbye gave, or None if it gave none."""
        said = None
        end = time.monotonic() + seconds
        try:
            while True:
                message = self.receive(end - time.monotonic())
                check(said is None, f"{message} after a Goodbye")
                if isinstance(message, Goodbye):
                    said = str(message)
        except Closed:
            return said


class Link(Connection):
    """A connection of a peer that behaves: `wait` receives, and answers what is to be answered."""

    def __init__(self, peer, wire, remote=None, greet=True, features=NEEDS_COMPANY, first=None):
        """`first` is said before Hello, in place of its card."""
        super().__init__(wire, peer.identity, peer.founded, remote)
        self.peer = peer
        self.other = remote.node_key if remote else None  # the other's node key
        self.hello = None  # the other's
        self.goodbye = None
        self.known = {}  # what the other says that it knows: whether it has all of it, by snapshot
        self.has = {}  # the chunks that it says it has, by snapshot
        self.wanted = set()  # the snapshots of which it wants to be told what we have
        self.summaries = 0
        self.pongs = []
        self.answers = {}  # (snapshot, piece): bytes, or "busy", or "unavailable"
        self.asked = []  # what the other asked for: (snapshot, piece)
        self.told_heads = []
        self.told_charter = None  # the CharterHead that it said last
        self.charters = {}  # signed versions that we hand out, by their numbers
        self.given_charters = []  # what it handed out
        self.told_cards = None  # the list that it has sent
        self.given_cards = []
        if greet:
            self.greet(features, [Cards([peer.card()])] if first is None and remote else first or [])

    def own_hello(self, **changes):
        identity = self.peer.identity
        return Hello(VERSION, VERSION, 0, identity.node_key, self.other, self.peer.task, "python").but(**changes)

    def greet(self, features, first):
        """Hello both ways, and what follows it. Without a task of its own a peer that is dialled takes the other's."""
        dialled = self.other is not None
        if dialled:
            self.send(*first, self.own_hello(features=features))
        self.hello = self.receive()
        if not dialled and isinstance(self.hello, Cards):
            self.given_cards = self.hello.cards
            check([x25519(card.channel_key) for card in self.given_cards] == [self.remote], "it showed another's card")
            self.peer.learn_cards(self.given_cards)
            self.hello = self.receive()
        check(isinstance(self.hello, Hello), f"the first message is {self.hello}")
        check(self.hello.oldest <= VERSION <= self.hello.version, "no version in common")
        check(self.hello.receiver == self.peer.identity.node_key, "it speaks to somebody else")
        check(self.hello.sender == (self.other or self.hello.sender), "somebody else speaks")
        self.other = self.hello.sender
        self.peer.task = self.peer.task or self.hello.task
        if not dialled:
            self.send(self.own_hello(features=features))
        self.send(self.peer.summary(answer=True), self.peer.card_list())

    def wait(self, what, condition, seconds=10):
        """Returns once condition() is true."""
        end = time.monotonic() + seconds
        while not condition():
            try:
                self.handle(self.receive(end - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"waited {seconds} s in vain for: {what}") from None
            except Closed as closed:
                raise Closed(f"hung up ({self.goodbye}) before: {what}") from closed

    def serve(self, seconds):
        """Does nothing but behave, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.handle(self.receive(left))
            except TimeoutError:
                return

    def handle(self, message):
        check(not isinstance(message, Hello), "a second Hello")
        getattr(self, "on_" + type(message).__name__.lower())(message)

    def on_goodbye(self, message):
        self.goodbye = str(message)

    def on_ping(self, message):
        self.send(Pong(message.token))

    def on_pong(self, message):
        self.pongs.append(message.token)

    def on_heads(self, message):
        self.told_heads += message.heads
        for head in message.heads:
            self.peer.learn(head)

    def on_summary(self, message):
        self.known = {entry.snapshot: entry.complete for entry in message.snapshots}
        self.summaries += 1
        lacking = [head for snapshot, head in self.peer.heads.items() if snapshot not in self.known]
        for at in range(0, len(lacking), 64):
            self.send(Heads(lacking[at : at + 64]))
        if not message.answer:
            self.send(self.peer.summary(answer=True))

    def on_holding(self, message):
        self.known[message.snapshot] = True

    def on_have(self, message):
        self.has.setdefault(message.snapshot, set()).update(message.chunks)

    def on_wanted(self, message):
        self.wanted.add(message.snapshot)
        if held := self.peer.held.get(message.snapshot):
            chunks = [number for number, chunk in enumerate(held.chunks) if chunk is not None]
            self.send(Holding(message.snapshot) if held.complete() else Have(message.snapshot, chunks))

    def on_evidence(self, message):
        self.peer.convict(message)

    def on_charterhead(self, message):
        self.told_charter = message

    def on_charterwanted(self, message):
        if signed := self.charters.get(message.number):
            self.send(CharterVersion(signed))

    def on_charterversion(self, message):
        self.given_charters.append(message.charter)

    def on_cardlist(self, message):
        self.told_cards = set(message.cards)
        lacking = [card for card in self.peer.cards.values() if card.id() not in self.told_cards]
        for at in range(0, len(lacking), 16):
            self.send(Cards(lacking[at : at + 16]))

    def on_cards(self, message):
        self.given_cards += message.cards
        self.peer.learn_cards(message.cards)

    def on_cancel(self, message):
        pass  # it is answered already

    def on_fetch(self, message):
        self.asked.append((message.snapshot, message.piece))
        data = self.peer.piece(message.snapshot, message.piece)
        if data is None:
            self.send(Unavailable(message.snapshot, message.piece, False))
        else:
            self.send(Piece(message.snapshot, message.piece, data))

    def on_piece(self, message):
        self.answers[message.snapshot, message.piece] = message.data

    def on_unavailable(self, message):
        self.answers[message.snapshot, message.piece] = "busy" if message.busy else "unavailable"

    # Asking.

    def ping(self, seconds=5):
        token = int.from_bytes(os.urandom(8), "little")
        self.send(Ping(token))
        self.wait("the Pong", lambda: token in self.pongs, seconds)

    def ask_what_it_knows(self, seconds=5):
        """By its Summary: {snapshot: whether it has all of it}."""
        before = self.summaries
        self.send(self.peer.summary(answer=False))
        self.wait("the Summary", lambda: self.summaries > before, seconds)
        return dict(self.known)

    def fetch(self, snapshot, piece, seconds=10):
        """Its bytes, or "unavailable"."""
        end = time.monotonic() + seconds
        while True:
            self.answers.pop((snapshot, piece), None)
            self.send(Fetch(snapshot, piece))
            self.wait(f"piece {piece}", lambda: (snapshot, piece) in self.answers, end - time.monotonic())
            if self.answers[snapshot, piece] != "busy":
                return self.answers.pop((snapshot, piece))

    def fetch_snapshot(self, head):
        """Asks for all pieces, and checks them."""
        snapshot = head.id()
        manifest = self.fetch(snapshot, MANIFEST)
        check(manifest != "unavailable" and digest(manifest) == Head.decode(head.head).manifest, "no such manifest")
        chunks = []
        for number, expected in enumerate(Manifest.decode(manifest).chunks):
            chunks.append(self.fetch(snapshot, number))
            check(chunks[-1] != "unavailable" and digest(chunks[-1]) == expected, f"no such chunk {number}")
        return Snapshot(head, manifest, chunks)


class Peer:
    """What a member knows and holds, over all its connections."""

    def __init__(self, identity, founded, task=None, cards=()):
        self.identity, self.founded, self.task = identity, founded, task
        self.cards = {card.node_key: card for card in cards}
        self.heads = {}  # SignedHead by snapshot
        self.held = {}  # Snapshot, maybe a part of it, by snapshot id
        self.convicted = {}  # with which channel key each of them lied, by node key

    @property
    def liars(self):
        """Their node keys."""
        return set(self.convicted)

    def card(self):
        """Its own."""
        return self.cards.get(self.identity.node_key) or self.identity.card(self.founded)

    def learn_cards(self, cards):
        for card in cards:
            check(card.sound() and card.founded == self.founded, "an unsound card was passed on")
            known = self.cards.setdefault(card.node_key, card)
            self.cards[card.node_key] = max(card, known, key=Card.rank)

    def card_list(self):
        return CardList([card.id() for card in self.cards.values()])

    def dial(self, port, remote, **options):
        return Link(self, Wire.dial(port), remote, **options)

    def accept(self, listener, seconds=20):
        """The next connection that is still alive when its turn comes."""
        listener.settimeout(seconds)
        while True:
            with contextlib.suppress(Closed):
                link = Link(self, Wire(listener.accept()[0]))
                link.ping()
                return link

    def hold(self, snapshot):
        self.heads[snapshot.id()] = snapshot.head
        self.held[snapshot.id()] = snapshot

    def learn(self, head):
        """Two of an origin are kept."""
        check(head.signed(), "a head with a wrong signature was passed on")
        check(Head.decode(head.head).founded == self.founded, "a head of another consortium was passed on")
        origin, key = Head.decode(head.head).origin, Head.decode(head.head).key
        if self.convicted.get(origin) == key:
            return
        self.heads[head.id()] = head
        for old in sorted(self.of_origin(origin), key=position)[:-2]:
            del self.heads[old.id()]

    def piece(self, snapshot, number):
        return self.held[snapshot].piece(number) if snapshot in self.held else None

    def summary(self, answer):
        known = [Known(snapshot, snapshot in self.held and self.held[snapshot].complete()) for snapshot in self.heads]
        return Summary(known, answer)

    def convict(self, evidence):
        liar = evidence.liar(self.founded)
        self.convicted[liar] = Head.decode(evidence.first.head).key
        for head in self.of_origin(liar):
            del self.heads[head.id()]

    def newest(self, node_key):
        """The head of this origin with the highest position; None if there is none."""
        return max(self.of_origin(node_key), key=position, default=None)

    def of_origin(self, node_key):
        return [head for head in self.heads.values() if Head.decode(head.head).origin == node_key]


def position(head):
    decoded = Head.decode(head.head)
    return decoded.log, decoded.sequence
