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

VERSION = 3
CHUNK = 524288  # bytes before compression, of every chunk but the last
NEEDS_COMPANY = 1  # a feature: fewer than two connections
FOLLOWS_CHARTER = 2  # another
TELLS_TASK = 4  # another
TAKES_RENEWALS = 8  # another
MANIFEST = 0xFFFFFFFF  # the "piece" that is the manifest
LARGEST_RECORD = 65519  # bytes of plaintext
LARGEST_MESSAGE = 524345  # bytes, type included
LARGEST_SMALL_MESSAGE = 65536  # of every type but Piece
ZEROS = bytes(32)
INVITATION = b"kith-invite-1-"

REASONS = (
    "shutting_down connection_lost handshake_timeout handshake_failed not_a_member wrong_peer version_mismatch"
    " other_task malformed oversized idle stalled duplicate expired forged unreachable crowded rotated denied"
).split()


def digest(data):
    return hashlib.blake2b(data, digest_size=32).digest()


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

    def __init__(self, name):
        self.name = name
        self.signing = SigningKey(digest(b"identity " + name.encode()))
        self.node_key = bytes(self.signing.verify_key)
        self.channel_secret = digest(b"channel " + name.encode())
        self.channel_key = bytes(PrivateKey(self.channel_secret).public_key)

    def sign(self, data):
        return self.signing.sign(data).signature

    def member(self, *addresses):
        return Member(self.node_key, self.channel_key, self.name, list(addresses))

    def apply(self, token, **liberties):
        """What it says to be let in."""
        member = self.member()
        usual = {"token": token, "member": member, "signature": self.sign(b"kith member 1\n" + member.encode())}
        return Apply(**usual | liberties)

    def renewed(self, entry, issued, generation=1, **liberties):
        """The same node with another channel key, and its renewal of the charter's `entry`."""
        other = Identity(self.name)
        other.channel_secret = digest(f"channel {self.name} {generation}".encode())
        other.channel_key = bytes(PrivateKey(other.channel_secret).public_key)
        return other, Renewal.of(self, entry, issued, **{"channel_key": other.channel_key} | liberties)

    def unseal(self, sealed):
        return SealedBox(PrivateKey(self.channel_secret)).decrypt(sealed)


def seal(data, channel_key):
    return SealedBox(PublicKey(channel_key)).encrypt(data)


def signed_by(node_key, signature, data):
    try:
        VerifyKey(node_key).verify(data, signature)
    except (CryptoError, ValueError):
        return False
    return True


DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def node_id(node_key):
    """As people read it."""
    number = int.from_bytes(node_key, "big") << 4  # 52 digits of five bits
    number <<= 20  # the check digits
    number += -number % 1048517
    text = "".join(DIGITS[number >> 5 * i & 31] for i in reversed(range(56)))
    return "-".join(text[i : i + 7] for i in range(0, 56, 7))


# --- Charter -------------------------------------------------------------------------------------


class Steward(Record):
    node_key: KEY
    name: Text(64)


class Member(Record):
    node_key: KEY
    channel_key: KEY
    name: Text(64)
    addresses: ListOf(Text(255), 4)

    @staticmethod
    def of_card(text):
        """Of what `kith init --join` wrote; ValueError if its signature is wrong."""
        word, _, digits = text.strip().partition(" ")
        check(word == "kith-member-1", "not a member card")
        card = bytes.fromhex(digits)
        body, signature = card[:-64], card[-64:]
        member = Member.decode(body)
        check(signed_by(member.node_key, signature, b"kith member 1\n" + body), "the card's signature is wrong")
        return member


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


def first_version(consortium, members, steward, days=30):
    """Of one steward, who need not be a member."""
    by_key = sorted(members, key=lambda member: member.node_key)
    expires = int(time.time()) + days * 86400
    return Charter(1, consortium, 1, ZEROS, expires, 1, [Steward(steward.node_key, steward.name)], by_key)


def sign_version(version, steward):
    signature = steward.sign(b"kith charter 1\n" + version.id())
    return SignedVersion(version.encode(), [CharterSignature(steward.node_key, signature)])


class Invitation(Record):
    consortium: Text(64)
    founded: HASH
    inviter: Member
    token: Fixed(16)
    expires: U64

    def to_text(self):
        body = self.encode()
        check = digest(INVITATION + body)[:4]
        return (INVITATION + base64.urlsafe_b64encode(body + check).rstrip(b"=")).decode()

    @classmethod
    def of_text(cls, text):
        check(text.startswith(INVITATION.decode()), "no invitation")
        data = base64.urlsafe_b64decode(text[len(INVITATION):] + "==")
        check(digest(INVITATION + data[:-4])[:4] == data[-4:], "a mistyped invitation")
        return cls.decode(data[:-4])


def charter_file(*versions):
    return b"kith charter file 1\n" + b"".join(signed.encode() for signed in versions)


# --- Snapshots -----------------------------------------------------------------------------------


class SealedKey(Record):
    reader: KEY
    sealed: Fixed(80)


class Manifest(Record):
    chunks: ListOf(HASH, 8192)
    keys: ListOf(SealedKey, 512)
    note_sealed: Flag
    note: Data(40960)


class Head(Record):
    format: U8
    origin: KEY
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


class SignedHead(Record):
    head: Fixed(169)
    signature: SIGNATURE

    def signed(self, consortium):
        """Whether it is."""
        return signed_by(Head.decode(self.head).origin, self.signature, head_text(consortium, self.head))

    def id(self):
        return digest(self.head)


def head_text(consortium, head):
    """What is signed."""
    return b"kith head 1\n" + digest(consortium.encode()) + head


def sign_head(head, identity, consortium):
    encoded = head.encode()
    return SignedHead(encoded, identity.sign(head_text(consortium, encoded)))


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
        key = identity.unseal(keys[0])
        values = []
        for number, (chunk, expected) in enumerate(zip(self.chunks, manifest.chunks, strict=True)):
            check(digest(chunk) == expected, f"chunk {number} has another hash")
            plain = chacha20poly1305_open(chunk, None, chunk_nonce(number), key)
            values.append(ENCODINGS[encoding].unpack(decompress(plain, min(CHUNK, head.size - number * CHUNK))))
        return b"".join(values)


def encrypt(chunks, readers, note=b""):
    """The manifest and the ciphertexts of chunks that these members can read."""
    key = os.urandom(32)
    sealed = [chacha20poly1305_seal(chunk, None, chunk_nonce(number), key) for number, chunk in enumerate(chunks)]
    keys = [SealedKey(reader.node_key, seal(key, reader.channel_key)) for reader in readers]
    return Manifest([digest(chunk) for chunk in sealed], keys, False, note), sealed


def publish(identity, consortium, task, values, readers, *, encoding="bf16", compression=compress, sequence=1, log=None,
            note=b"", manifest=None, **fields):  # fmt: skip
    """A snapshot of these values. A liar may compress them in his own way, give another encoded manifest, and other
    fields of the head.
    """
    raw = packed(values, encoding)
    made, chunks = encrypt([compression(chunk) for chunk in raw], readers, note)
    encoded = made.encode() if manifest is None else manifest(made)
    head = Head(2, identity.node_key, log or time.time_ns() // 1000, sequence, ZEROS, task, 1, 100,
                sum(map(len, raw)), len(encoded), digest(encoded))  # fmt: skip
    return Snapshot(sign_head(head.but(**fields), identity, consortium), encoded, chunks)


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

    def liar(self, consortium):
        """The origin that it convicts; Malformed if it convicts nobody."""
        first, second = Head.decode(self.first.head), Head.decode(self.second.head)
        check(first.origin == second.origin and position(self.first) == position(self.second), "two places")
        check(self.first.head < self.second.head, "the same head, or the lesser one is not first")
        check(self.first.signed(consortium) and self.second.signed(consortium), "a wrong signature")
        return first.origin


class CharterPlace(Record):
    number: U64
    version: HASH


class CharterHeads(Record):
    places: ListOf(CharterPlace, 2)


class CharterWanted(Record):
    version: HASH


class CharterVersion(Record):
    charter: SignedVersion


class Apply(Record):
    token: Fixed(16)
    member: Member
    signature: SIGNATURE


class Admission(Record):
    state: U8
    why: Text(255)
    number: U64
    version: HASH
    task: Text(61440)


class TaskManifest(Record):
    manifest: Text(61440)


class Renewal(Record):
    member: KEY
    entry: HASH
    issued: U64
    channel_key: KEY
    addresses: ListOf(Text(255), 4)
    signature: SIGNATURE

    @staticmethod
    def of(identity, entry, issued, channel_key, addresses=()):
        """Signed by `identity`, whatever member `entry` is of."""
        hashed = digest(b"kith entry 1\n" + entry.encode())
        renewal = Renewal(identity.node_key, hashed, issued, channel_key, list(addresses), bytes(64))
        return renewal.but(signature=identity.sign(b"kith renewal 1\n" + renewal.encode()[:-64]))


class RenewalList(Record):
    renewals: ListOf(HASH, 512)


class Renewals(Record):
    renewals: ListOf(Renewal, 16)


MESSAGES = [
    Hello, Goodbye, Ping, Pong, Heads, Summary, Holding, Fetch, Piece, Unavailable, Have, Wanted, Cancel, Evidence,
    CharterHeads, CharterWanted, CharterVersion, Apply, Admission, TaskManifest, RenewalList, Renewals,
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


def prologue(consortium):
    return b"kith/1 " + consortium.encode()


class Connection(Wire):
    """Messages over the encrypted channel. `remote` is the other's channel key."""

    def __init__(self, wire, identity, consortium, remote=None, text=None):
        """Shakes hands, as the initiator if `remote` is given."""
        super().__init__(wire.socket)
        initiator = remote is not None
        state = noise.handshake(
            initiator, text or prologue(consortium), noise.key_pair(identity.channel_secret), remote
        )
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

    def __init__(self, peer, wire, remote=None, greet=True, features=NEEDS_COMPANY, first=()):
        """`first` is said before Hello."""
        super().__init__(wire, peer.identity, peer.consortium, remote)
        if first:
            self.send(*first)
        self.peer = peer
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
        self.told_charters = []  # the versions that it follows, as it said last
        self.charters = {}  # signed versions that we hand out, by their ids
        self.given_charters = []  # what it handed out
        self.told_renewals = None  # the list that it has sent
        self.given_renewals = []
        if greet:
            self.greet(features)

    def greet(self, features):
        """Hello both ways, and what follows it. Without a task of its own the peer takes the other's."""
        self.hello = self.receive()
        check(isinstance(self.hello, Hello), f"the first message is {self.hello}")
        check(self.hello.oldest <= VERSION <= self.hello.version, "no version in common")
        self.peer.task = self.peer.task or self.hello.task
        self.send(Hello(VERSION, VERSION, features, self.peer.task, "python"), self.peer.summary(answer=True))

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

    def on_charterheads(self, message):
        self.told_charters = message.places

    def on_charterwanted(self, message):
        if signed := self.charters.get(message.version):
            self.send(CharterVersion(signed))

    def on_charterversion(self, message):
        self.given_charters.append(message.charter)

    def on_renewallist(self, message):
        self.told_renewals = message.renewals

    def on_renewals(self, message):
        self.given_renewals += message.renewals

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

    def __init__(self, identity, consortium, task=None):
        self.identity, self.consortium, self.task = identity, consortium, task
        self.heads = {}  # SignedHead by snapshot
        self.held = {}  # Snapshot, maybe a part of it, by snapshot id
        self.liars = set()  # node keys

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
        check(head.signed(self.consortium), "a head with a wrong signature was passed on")
        if Head.decode(head.head).origin in self.liars:
            return
        self.heads[head.id()] = head
        origin = Head.decode(head.head).origin
        for old in sorted(self.of_origin(origin), key=position)[:-2]:
            del self.heads[old.id()]

    def piece(self, snapshot, number):
        return self.held[snapshot].piece(number) if snapshot in self.held else None

    def summary(self, answer):
        known = [Known(snapshot, snapshot in self.held and self.held[snapshot].complete()) for snapshot in self.heads]
        return Summary(known, answer)

    def convict(self, evidence):
        liar = evidence.liar(self.consortium)
        self.liars.add(liar)
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
