"""The header chunk of a body with an index before it: which fields a client asks for, without looking through it.

Owns the indexed form: a tag, the number of fields, one octet for each that says which usual field it is, where each
begins, then the header as it came. Clients list thousands of headers by the same few names; unpacking each and running
a pattern over it costs ten times what cutting it up by its index does. What a field is, is ``wire/mime/header``'s rule:
only headers about which there can be no doubt are indexed, and all others are looked through when asked for.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from itertools import accumulate

INDEXED = b"\2"
"""Tag of a chunk in this form."""

_LARGEST = 8 * 1024
"""Longer headers are better compressed."""

# A field's number is stored: names may be added at the end, and none may ever move.
_NAMES = (
    b"from", b"to", b"cc", b"bcc", b"subject", b"date", b"message-id", b"priority", b"x-priority", b"references",
    b"newsgroups", b"in-reply-to", b"content-type", b"reply-to", b"received", b"sender", b"return-path",
    b"delivered-to", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"list-post", b"list-help",
    b"list-subscribe", b"list-archive", b"list-owner", b"importance", b"x-msmail-priority", b"precedence",
    b"mime-version", b"content-transfer-encoding", b"content-disposition", b"content-language", b"user-agent",
    b"x-mailer", b"x-uniform-type-identifier", b"x-universally-unique-identifier", b"bimi-indicator",
    b"bimi-location", b"x-bimi-indicator-hash", b"authentication-results", b"dkim-signature", b"received-spf",
    b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"x-spam-status", b"x-spam-flag",
    b"x-spam-score", b"x-spam", b"x-virus", b"disposition-notification-to", b"return-receipt-to", b"auto-submitted",
    b"x-auto-response-suppress", b"followup-to", b"keywords", b"comments", b"organization", b"mail-followup-to",
    b"thread-topic", b"thread-index", b"x-original-to", b"resent-from", b"resent-to", b"resent-date",
    b"resent-message-id", b"x-gm-message-state", b"x-google-dkim-signature", b"x-received", b"feedback-id",
    b"envelope-to", b"x-forwarded-to", b"x-label", b"x-mozilla-keys", b"x-status", b"status", b"x-list",
    b"mailing-list", b"list-software", b"x-mailing-list", b"face", b"x-face", b"autocrypt", b"openpgp",
    b"x-enigmail-version", b"x-account-key", b"x-uidl", b"x-mozilla-status", b"x-mozilla-status2",
)  # fmt: skip
_NUMBERS = {name + b":": number for number, name in enumerate(_NAMES, 1)}
_OTHER, _CLOSE = 0, 255
_MOST = 250

# A line that does not begin with white space begins a field (RFC 5322 §2.2.3).
_between = re.compile(rb"\r\n(?![ \t])").split

_FEW_SHAPES = 2_000
"""Orders of fields that one list of names is remembered for; senders have few."""


def indexed(header: bytes) -> bytes | None:
    """The chunk for ``header``; None for one that is to be stored in another form."""
    if not _plain(header):
        return None
    fields = _between(header)
    # The last is what stands behind the last line end: nothing. The one before it is the empty line.
    count = len(fields) - 1
    if not 1 < count <= _MOST:
        return None
    kinds = [_NUMBERS.get(field[: field.find(b":") + 1].lower()) or _kind(field) for field in fields[:-2]]
    kinds.append(_CLOSE)
    base = 2 + count + 2 * (count + 1)
    places = _PLACES[count].pack(*accumulate([len(field) + 2 for field in fields[:-1]], initial=base))
    return b"%b%c%b%b%b" % (INDEXED, count, bytes(kinds), places, header)


def header_of(chunk: bytes, end: int) -> bytes:
    """The header of an indexed chunk that ends at ``end``; IndexError or struct.error when it is none."""
    return chunk[_U16.unpack_from(chunk, 2 + chunk[1])[0] : end]


def _kind(field: bytes) -> int:
    """Of a name that is not a usual one, or has white space behind it (RFC 5322 §4.5)."""
    name, colon, _ = field.partition(b":")
    return _NUMBERS.get(name.rstrip(b" \t").lower() + b":", _OTHER) if colon else _OTHER


def _plain(header: bytes) -> bool:
    """No bare line feeds, and it ends in its one empty line."""
    return (
        len(header) <= _LARGEST
        and header.endswith(b"\r\n\r\n")
        and not header.startswith(b"\r\n")
        and header.find(b"\r\n\r\n") == len(header) - 4
        and header.count(b"\n") == header.count(b"\r\n")
    )


@lru_cache(maxsize=256)
def picker(names: frozenset[bytes]) -> Picker | None:
    """For the lower-case field ``names``; None when the index does not know them all."""
    numbers = [_NUMBERS.get(name + b":") for name in names]
    return Picker(frozenset({_CLOSE, *(number for number in numbers if number)})) if all(numbers) else None


class Picker:
    """Cuts some fields, and the empty line that closes them, out of indexed chunks."""

    __slots__ = ("_runs", "_wanted")

    def __init__(self, wanted: frozenset[int]) -> None:
        self._wanted = wanted
        self._runs: dict[bytes, tuple[tuple[int, int], ...]] = {}

    def pick(self, chunk: bytes) -> bytes:
        """What ``BODY[HEADER.FIELDS (...)]`` answers for an indexed chunk; octets behind its header do no harm."""
        end = 2 + chunk[1]
        kinds = chunk[2:end]
        runs = self._runs.get(kinds)
        if runs is None:
            runs = self._remember(kinds)
        places = _PLACES[chunk[1]].unpack_from(chunk, end)
        return b"".join([chunk[places[start] : places[stop]] for start, stop in runs])

    def _remember(self, kinds: bytes) -> tuple[tuple[int, int], ...]:
        """Which fields follow each other, as ranges of their numbers in the header."""
        runs: list[tuple[int, int]] = []
        for at, kind in enumerate(kinds):
            if kind not in self._wanted:
                continue
            if runs and runs[-1][1] == at:
                runs[-1] = (runs[-1][0], at + 1)
            else:
                runs.append((at, at + 1))
        if len(self._runs) >= _FEW_SHAPES:
            self._runs.clear()
        self._runs[kinds] = tuple(runs)
        return self._runs[kinds]


_U16 = struct.Struct(">H")
_PLACES = tuple(struct.Struct(f">{count + 1}H") for count in range(256))
