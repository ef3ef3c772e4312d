#!/usr/bin/python3
"""Writes test vectors for Noise_XK_25519_ChaChaPoly_SHA256 with rekeying, made by dissononce, to standard output.

noise_vectors.go writes the same text by means of another implementation; noise_vectors_test.py compares the two.
"""
import hashlib
import json

from dissononce_kith import Direction, REKEY_INTERVAL, handshake, key_pair

# name, prologue, payloads of the three messages, records that the initiator and the responder send
VECTORS = [
    ("nothing but the handshake", b"", [b"", b"", b""], [0, 0]),
    ("a few records", b"", [b"a", b"", b"ccc"], [3, 1]),
    ("two rekeys each way", b"kith 1", [bytes(100), b"\xff" * 1000, b"hello"], [2100, 2050]),
    ("uneven directions", bytes(range(256)), [b"", b"", b""], [3073, 1024]),
]
# Kept of a long transcript, besides a hash of it all.
SELECTED = [0, 1, 2, 1022, 1023, 1024, 1025, 2046, 2047, 2048, 2049, 3071, 3072]


def record_payload(sender, index):
    """`sender` is 0 for the initiator, 1 for the responder."""
    return bytes((index + 7 * j + sender) % 256 for j in range(37 * index % 251))


def transcript(direction, sender, count):
    whole = hashlib.blake2b(digest_size=32)
    selected = []
    for index in range(count):
        record = direction.seal(record_payload(sender, index))
        whole.update(record)
        if index in SELECTED or index == count - 1:
            selected.append({"index": index, "record": record.hex()})
    return {"count": count, "blake2b": whole.hexdigest(), "selected": selected}


def vector(name, prologue, payloads, counts):
    secrets = {label: hashlib.sha256(f"{name}: {label}".encode()).digest() for label in
               ["initiator static", "initiator ephemeral", "responder static", "responder ephemeral"]}
    keys = {label: key_pair(secret) for label, secret in secrets.items()}
    sides = [handshake(True, prologue, keys["initiator static"], keys["responder static"].public.data,
                       ephemeral=keys["initiator ephemeral"]),
             handshake(False, prologue, keys["responder static"], ephemeral=keys["responder ephemeral"])]
    messages = []
    for turn, payload in enumerate(payloads):
        message, received = bytearray(), bytearray()
        cipherstates = sides[turn % 2].write_message(payload, message)
        sides[1 - turn % 2].read_message(bytes(message), received)
        assert received == payload
        messages.append({"payload": payload.hex(), "message": message.hex()})
    return {
        "name": name,
        "prologue": prologue.hex(),
        **{label.replace(" ", "_"): secret.hex() for label, secret in secrets.items()},
        "messages": messages,
        "handshake_hash": sides[0].symmetricstate.get_handshake_hash().hex(),
        "records": [transcript(Direction(cipherstates[sender]), sender, counts[sender]) for sender in (0, 1)],
    }


if __name__ == "__main__":
    print(json.dumps({"protocol": "Noise_XK_25519_ChaChaPoly_SHA256", "rekey_interval": REKEY_INTERVAL,
                      "vectors": [vector(*description) for description in VECTORS]}, indent=1))
