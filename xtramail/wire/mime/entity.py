"""One entity (RFC 2045 §2.4) as the scanner sees it: its header read, where its body lies, what is inside.

Owns reading the header of an entity. Finding the octets is ``scanner``'s, rendering ``structure``'s and ``envelope``'s.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import lru_cache
from typing import Final

from xtramail.wire.mime import limits
from xtramail.wire.mime.charset import decode_unlabelled
from xtramail.wire.mime.header import unfold, values
from xtramail.wire.mime.parameters import (
    Parameters,
    parse_content_type,
    parse_disposition,
    parse_token,
    raw_parameter,
    text_parameter,
)

_IDENTITY = frozenset({b"7bit", b"8bit", b"binary"})
_CONTENT_FIELDS: Final = frozenset(
    {
        b"content-type",
        b"content-transfer-encoding",
        b"content-disposition",
        b"content-id",
        b"content-description",
        b"content-md5",
        b"content-language",
        b"content-location",
    }
)
_MESSAGE_FIELDS: Final = _CONTENT_FIELDS | {
    b"date",
    b"subject",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"in-reply-to",
    b"message-id",
    b"references",
    b"received",
}
_US_ASCII: Final[Parameters] = [(b"charset", b"us-ascii")]


_SHORT: Final = 256


@lru_cache(maxsize=512)
def _short_fields(header: bytes) -> dict[bytes, list[bytes]]:
    """What a short header of a part says; most are the same few, message after message."""
    return values(unfold(header), _CONTENT_FIELDS)


class Kind(Enum):
    LEAF = auto()
    MULTIPART = auto()
    MESSAGE = auto()
    """message/rfc822 and message/global, not encoded: its one child is the message inside."""


class Entity:
    """Filled while the scanner goes along; offsets in octets from the first octet of the message."""

    __slots__ = (
        "body_at",
        "body_end",
        "boundary",
        "children",
        "content_id",
        "description",
        "disposition",
        "encoding",
        "fields",
        "filename",
        "header_at",
        "in_digest",
        "is_message",
        "kind",
        "languages",
        "lines",
        "location",
        "maintype",
        "md5",
        "parameters",
        "subtype",
        "unfolded",
    )

    def __init__(self, *, header_at: int, is_message: bool, in_digest: bool = False) -> None:
        self.header_at = header_at
        self.body_at = header_at
        self.body_end = header_at
        self.lines = 0
        self.kind = Kind.LEAF
        self.is_message = is_message
        """It has a header of its own in the sense of RFC 5322, so an ENVELOPE."""
        self.in_digest = in_digest
        self.maintype = b"text"
        self.subtype = b"plain"
        self.parameters: Parameters = _US_ASCII
        self.boundary: bytes | None = None
        self.encoding = b"7bit"
        self.disposition: tuple[bytes, Parameters] | None = None
        self.content_id: bytes | None = None
        self.description: bytes | None = None
        self.md5: bytes | None = None
        self.languages: list[bytes] = []
        self.location: bytes | None = None
        self.filename = ""
        self.fields: dict[bytes, list[bytes]] = {}
        self.unfolded: list[bytes] = []
        """The unfolded header, for messages only."""
        self.children: list[Entity] = []

    def read_header(self, header: bytes) -> None:
        """Fill in what ``header`` says; anything missing or broken gets the defaults of RFC 2045 §5.2, §6.1."""
        if self.is_message:
            # One more than is allowed, so that the count tells.
            self.unfolded = unfold(header, most=limits.FIELDS + 1)
            self.fields = fields = values(self.unfolded, _MESSAGE_FIELDS)
        elif len(header) <= _SHORT:
            fields = _short_fields(header)
        else:
            fields = values(unfold(header), _CONTENT_FIELDS)
        self._read_content_type(fields.get(b"content-type"))
        if (found := fields.get(b"content-transfer-encoding")) is not None:
            self.encoding = parse_token(found[0]) or b"7bit"
        if (found := fields.get(b"content-disposition")) is not None:
            self.disposition = parse_disposition(found[0])
            if self.disposition is not None:
                self.filename = text_parameter(self.disposition[1], b"filename")
        if self.kind is Kind.MESSAGE and (
            self.encoding == b"base64" or (self.subtype == b"global" and self.encoding not in _IDENTITY)
        ):
            # RFC 6532 §3.7 lets message/global be encoded, and some senders encode message/rfc822 too. What is inside
            # cannot be addressed then. (What else message/rfc822 is called is no more than a wrong word.)
            self.kind = Kind.LEAF
        if not self.filename and self.parameters is not _US_ASCII:
            self.filename = text_parameter(self.parameters, b"name")
        if self.filename:
            self.filename = _one_line(self.filename)
        if (found := fields.get(b"content-id")) is not None:
            self.content_id = found[0]
        if (found := fields.get(b"content-description")) is not None:
            self.description = found[0]
        if (found := fields.get(b"content-md5")) is not None:
            self.md5 = found[0]
        if (found := fields.get(b"content-location")) is not None:
            self.location = found[0]
        if (found := fields.get(b"content-language")) is not None:
            tags = [tag.strip() for tag in found[0].split(b",", limits.PARAMETERS)[: limits.PARAMETERS]]
            self.languages = [tag for tag in tags if tag]

    def _read_content_type(self, found: list[bytes] | None) -> None:
        if found is None:
            if self.in_digest:
                # RFC 2046 §5.1.5: in multipart/digest the default is message/rfc822.
                self.maintype, self.subtype, self.parameters = b"message", b"rfc822", []
                self.kind = Kind.MESSAGE
            return
        content = parse_content_type(found[0])
        if content is None:
            return
        maintype, subtype, parameters = content
        if maintype == b"multipart":
            boundary = (raw_parameter(parameters, b"boundary") or b"").rstrip()
            if not 0 < len(boundary) <= limits.BOUNDARY_OCTETS or b"\n" in boundary:
                # Without a boundary nothing can be taken apart: shown as the text it then is.
                return
            self.kind = Kind.MULTIPART
            self.boundary = boundary
        elif maintype == b"message" and subtype in (b"rfc822", b"global"):
            self.kind = Kind.MESSAGE
        elif maintype == b"text" and raw_parameter(parameters, b"charset") is None:
            parameters = [*_US_ASCII, *parameters]
        self.maintype, self.subtype, self.parameters = maintype, subtype, parameters

    @property
    def content_type(self) -> str:
        return (self.maintype + b"/" + self.subtype).decode("ascii")

    @property
    def is_sealed(self) -> bool:
        """A message that is encoded: as a whole it can be had, and nothing of what is inside."""
        return self.kind is Kind.LEAF and self.maintype == b"message" and self.subtype in (b"rfc822", b"global")

    @property
    def charset(self) -> str:
        """Lower-case charset of a text part, empty for others."""
        if self.maintype != b"text":
            return ""
        if self.parameters is _US_ASCII:
            return "us-ascii"
        return decode_unlabelled(raw_parameter(self.parameters, b"charset") or b"us-ascii").strip().lower()

    @property
    def is_attachment(self) -> bool:
        return self.disposition is not None and self.disposition[0] == b"attachment"

    def make_opaque(self) -> None:
        """What a message is called whose structure was not read to its end: one text/plain part."""
        self.kind = Kind.LEAF
        self.maintype, self.subtype, self.parameters, self.boundary = b"text", b"plain", _US_ASCII, None
        self.encoding = b"8bit"
        self.disposition = self.content_id = self.description = self.md5 = self.location = None
        self.languages = []
        self.filename = ""
        self.lines = 0
        self.children = []


def _one_line(name: str) -> str:
    """A file name without control characters, of at most 255 characters."""
    return "".join(c for c in name if c.isprintable())[:255] if not name.isprintable() else name[:255]
