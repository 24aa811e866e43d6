"""Secrets of API keys: how they are made, recognised and stored.

A secret is `fk_`, 30 random base62 characters (178 bits) and a checksum of six, so that scanners
find leaked ones and a mistyped one is refused without asking the database (the scheme of
https://github.blog/engineering/behind-githubs-new-authentication-token-formats/). The database
keeps its SHA-256: a secret of 178 random bits needs no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib

START = "fk_"
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
PREFIX_LENGTH = len(START) + 8
SECRET_LENGTH = len(START) + RANDOM_LENGTH + CHECKSUM_LENGTH
ALPHABET = string.digits + string.ascii_letters
NO_HASH = bytes(32)
"""What a secret is compared with that belongs to no key, so that both take the same time."""


def new_secret() -> str:
    """Returns a secret that was never there before."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return START + random + checksum(random)


def is_well_formed(secret: str) -> bool:
    """Tells whether a text can be a secret: its start, its length and its checksum are right."""
    random = secret[len(START) : -CHECKSUM_LENGTH]
    return (
        len(secret) == SECRET_LENGTH
        and secret.isascii()
        and secret.startswith(START)
        and hmac.compare_digest(secret[-CHECKSUM_LENGTH:], checksum(random))
    )


def prefix_of(secret: str) -> str:
    """Returns the visible start of a secret, by which its key is found."""
    return secret[:PREFIX_LENGTH]


def hash_of(secret: str) -> bytes:
    """Returns what is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def matches(digest: bytes, stored: bytes) -> bool:
    """Tells whether the hash of a secret is the stored one; takes as long wherever they differ."""
    return hmac.compare_digest(stored, digest)


def checksum(random: str) -> str:
    """Returns the six characters that follow the random ones: their CRC-32 in base62."""
    value = zlib.crc32(random.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
