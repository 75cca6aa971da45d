"""DKIM signatures of what leaves: made once, while a message is accepted, over the octets that will be handed on.

The header is given when it is whole, the body as it passes, so that a message of any size is signed without being held.
Signatures are no part of what is stored: a queue entry has them, and they go out on top of its message. So the copy in
Sent and those in mailboxes here are what the user wrote, and an attempt, however late, sends the same octets.

Owns whose key signs; what is signed is ``wire/dkim``'s. No conversion is done between here and the next hop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from xtramail.directory.signing_keys import SigningKey
from xtramail.wire.dkim.canonical import BodyHash
from xtramail.wire.dkim.signature import Unsigned, covered
from xtramail.wire.mime.header import header_end


class Keys(Protocol):
    """``directory.signing_keys``."""

    def of(self, domain: str) -> tuple[SigningKey, ...]: ...

    def of_host(self, hostname: str) -> tuple[SigningKey, ...]: ...


@dataclass(frozen=True, slots=True)
class Signed:
    """Signatures of one message: ``fields`` go on top of it; ``by`` names the keys."""

    fields: bytes = b""
    by: str = ""


UNSIGNED = Signed()


class NoKeys:
    """For who signs nothing."""

    def of(self, domain: str) -> tuple[SigningKey, ...]:
        return ()

    def of_host(self, hostname: str) -> tuple[SigningKey, ...]:
        return ()


NO_KEYS = NoKeys()


class Signature:
    """Of one message whose ``header`` is known, its empty line or not; ``write`` its body, then ``finish``."""

    def __init__(self, keys: tuple[SigningKey, ...], header: bytes, at: float) -> None:
        """``at``: seconds since 1970."""
        self._keys = keys
        self._header = header
        self._at = int(at)
        self._body = BodyHash()

    def write(self, octets: bytes) -> None:
        if self._keys:
            self._body.write(octets)

    def finish(self) -> Signed:
        """A field for each key; nothing without one."""
        if not self._keys:
            return UNSIGNED
        names, body_hash = covered(self._header), self._body.digest()
        made = []
        for key in self._keys:
            unsigned = Unsigned(
                algorithm=key.algorithm,
                domain=key.domain,
                selector=key.selector,
                at=self._at,
                names=names,
                body_hash=body_hash,
            )
            made.append(unsigned.field(key.sign(unsigned.to_sign(self._header))))
        by = f"d={self._keys[0].domain} s={','.join(key.selector for key in self._keys)}"
        return Signed(fields=b"".join(made), by=by)


def of_author(keys: Keys, author: str, header: bytes, at: float) -> Signature:
    """Of what ``author`` (``local@domain``, the first of From) submits: signed by the domain that readers see there."""
    return Signature(keys.of(author.rpartition("@")[2]), header, at)


def of_own(keys: Keys, hostname: str, text: bytes, at: float) -> Signed:
    """Of a whole message that the server writes itself, from an address at its host name."""
    end = header_end(text)
    signature = Signature(keys.of_host(hostname), text[:end], at)
    signature.write(text[end:])
    return signature.finish()
