"""Kith's secure channel on dissononce, an implementation of Noise that shares nothing with ours.

Exits with status 77 if it is not installed (Debian: python3-dissononce).
"""
import sys

try:
    from dissononce.cipher.chachapoly import ChaChaPolyCipher
    from dissononce.dh.x25519.private import PrivateKey
    from dissononce.dh.x25519.public import PublicKey
    from dissononce.dh.x25519.x25519 import X25519DH
    from dissononce.exceptions.decrypt import DecryptFailedException
    from dissononce.extras.dh.dangerous.dh_nogen import NoGenDH
    from dissononce.hash.sha256 import SHA256Hash
    from dissononce.processing.handshakepatterns.interactive.XK import XKHandshakePattern
    from dissononce.processing.impl.cipherstate import CipherState
    from dissononce.processing.impl.handshakestate import HandshakeState
    from dissononce.processing.impl.symmetricstate import SymmetricState
except ImportError as error:
    print(f"skipped: {error}; install python3-dissononce", file=sys.stderr)
    sys.exit(77)

REKEY_INTERVAL = 1024


def key_pair(secret=None):
    """A fresh X25519 key pair, or that of 32 secret bytes."""
    return X25519DH().generate_keypair(secret and PrivateKey(secret))


def handshake(initiator, prologue, static, remote_static=None, ephemeral=None):
    """`remote_static` is the responder's public key, 32 bytes; `ephemeral` is a key pair to use instead of a fresh one."""
    dh = NoGenDH(X25519DH(), ephemeral.private) if ephemeral else X25519DH()
    state = HandshakeState(SymmetricState(CipherState(_ChaChaPoly()), SHA256Hash()), dh)
    state.initialize(XKHandshakePattern(), initiator, prologue, s=static, rs=remote_static and PublicKey(remote_static))
    return state


class Direction:
    """A CipherState that rekeys as Kith does: after every 1024 records, the nonce going on."""
    def __init__(self, cipherstate):
        self._cipherstate = cipherstate
        self._records = 0

    def seal(self, plaintext):
        return self._done(self._cipherstate.encrypt_with_ad(b"", plaintext))

    def open(self, record):
        return self._done(self._cipherstate.decrypt_with_ad(b"", record))

    def _done(self, result):
        self._records += 1
        if self._records % REKEY_INTERVAL == 0:
            self._cipherstate.rekey()
            self._cipherstate.set_nonce(self._records)   # dissononce's rekey() sets it to 0, the specification does not
        return result


class _ChaChaPoly(ChaChaPolyCipher):
    def rekey(self, key):
        return super().rekey(key)[:32]   # dissononce forgets the specification's "first 32 bytes"
