"""The DKIM-Signature field (RFC 6376 §3.5): which header fields it covers, and how it is written.

Owns neither hashes of bodies (``canonical``) nor keys: :func:`signed_octets` is what a key signs, and :meth:`Unsigned.
field` is the line once it did.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from xtramail.wire.dkim.canonical import relaxed_field
from xtramail.wire.mime.header import fields

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

OVERSIGNED = (
    b"From",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Subject",
    b"Date",
    b"Message-ID",
    b"In-Reply-To",
    b"References",
    b"MIME-Version",
    b"Content-Type",
    b"Content-Transfer-Encoding",
)
"""Signed as often as they are there and once more (RFC 6376 §8.15): nobody adds another to what we signed."""

SIGNED = (
    b"Sender",
    b"Content-ID",
    b"Content-Description",
    b"Content-Disposition",
    b"Resent-Date",
    b"Resent-From",
    b"Resent-Sender",
    b"Resent-To",
    b"Resent-Cc",
    b"Resent-Message-ID",
    b"List-Id",
    b"List-Help",
    b"List-Unsubscribe",
    b"List-Unsubscribe-Post",
    b"List-Subscribe",
    b"List-Post",
    b"List-Owner",
    b"List-Archive",
    b"Autocrypt",
)
"""Signed where they are there: lists and forwarders may add one without breaking the signature."""

_WIDTH = 76
_NAME = b"DKIM-Signature"


def covered(header: bytes) -> tuple[bytes, ...]:
    """Names for ``h=``, with repetitions, for the fields of ``header``."""
    counts: dict[bytes, int] = {}
    for field in fields(header):
        counts[field.name] = counts.get(field.name, 0) + 1
    names: list[bytes] = []
    for name in OVERSIGNED:
        names += [name] * (counts.get(name.lower(), 0) + 1)
    for name in SIGNED:
        names += [name] * counts.get(name.lower(), 0)
    return tuple(names)


def signed_octets(header: bytes, names: Sequence[bytes], field: bytes) -> bytes:
    """What is signed (RFC 6376 §3.7): the fields named, each the lowest not taken yet, and ``field`` itself.

    ``field`` is the whole DKIM-Signature field with nothing behind its ``b=``.
    """
    found: dict[bytes, list[bytes]] = {}
    for one in fields(header):
        if one.name:
            found.setdefault(one.name, []).append(header[one.value_at : one.end])
    lines = []
    for name in names:
        left = found.get(name.lower())
        if left:
            lines.append(relaxed_field(name, left.pop()) + b"\r\n")
    name, _, value = field.partition(b":")
    return b"".join(lines) + relaxed_field(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A signature to be made. ``body_hash``: 32 octets of ``canonical.BodyHash``."""

    algorithm: Algorithm
    domain: str
    """A-labels."""
    selector: str
    at: int
    """Seconds since 1970."""
    names: tuple[bytes, ...]
    body_hash: bytes

    def to_sign(self, header: bytes) -> bytes:
        """The octets that the key signs."""
        return signed_octets(header, self.names, self._start())

    def field(self, signature: bytes) -> bytes:
        """The whole field, folded, with its line end."""
        text = base64.b64encode(signature)
        lines = [text[:_WIDTH - 2]]
        lines += [b" " + text[at : at + _WIDTH] for at in range(_WIDTH - 2, len(text), _WIDTH)]
        return self._start() + b"\r\n".join(lines) + b"\r\n"

    def _start(self) -> bytes:
        tags = (
            f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector}; t={self.at};\r\n"
        ).encode("ascii")
        names = b"\r\n".join(_folded(self.names))
        body_hash = base64.b64encode(self.body_hash)
        return _NAME + b": " + tags + names + b";\r\n bh=" + body_hash + b";\r\n b="


def _folded(names: Sequence[bytes]) -> Iterator[bytes]:
    """``h=`` in lines; white space may stand behind its colons."""
    line = b" h="
    for index, name in enumerate(names):
        word = name + (b":" if index + 1 < len(names) else b"")
        if len(line) + len(word) > _WIDTH:
            yield line
            line = b" "
        line += word
    yield line
