"""What is known of a message once it has been read: made by ``wire/mime``, kept by ``store``, served by ``mailbox``."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Part(NamedTuple):
    """Where one MIME part lies in the stored bytes; offsets and lengths in octets from the first octet of the message.

    ``path`` is the IMAP section part (RFC 9051 §6.4.5.1) such as ``(1, 2)``; the message itself is ``()``. A
    message/rfc822 part has its inner message described by ``inner_*``: its header and its text.
    """

    path: tuple[int, ...]
    mime_at: int
    """First octet of the part's own MIME header (for the message itself: 0)."""
    mime_length: int
    """Octets of that header, its closing empty line included."""
    body_at: int
    body_length: int
    content_type: str
    """Lower-case ``type/subtype``."""
    encoding: str
    """Lower-case Content-Transfer-Encoding."""
    charset: str
    filename: str
    inner_header_length: int = -1
    """For message/rfc822: octets of the inner header with its empty line (it starts at ``body_at``); else -1."""


class Summary(msgspec.Struct, frozen=True):
    """The derived facts of one message, computed once at delivery. Text is decoded; bytes are finished IMAP syntax."""

    size: int
    header_length: int
    """Octets of the top header with its closing empty line."""
    envelope: bytes
    """``(date subject from sender reply-to to cc bcc in-reply-to message-id)`` as RFC 9051 §7.5.2 ENVELOPE."""
    bodystructure: bytes
    """BODYSTRUCTURE, extension fields included."""
    body: bytes
    """BODY: the same without extension fields."""
    preview: str
    """First words of the text, at most 200 characters (RFC 8970)."""
    message_id: str
    """Content of Message-ID without angle brackets' surroundings, ``<...>`` kept; empty when there is none."""
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    subject: str
    """Decoded."""
    from_addresses: tuple[str, ...]
    """Addresses of From:, ``local@domain``; submission checks their owner."""
    from_count: int
    """How many From: fields there are (RFC 5322 §3.6 wants one)."""
    sent_at: float | None
    """Date: as seconds since 1970, None when missing or nonsense."""
    has_date: bool
    has_bcc: bool
    received_count: int
    parts: tuple[Part, ...]
    header_text: str
    """Decoded header, one ``Name: value`` a line, unfolded: what SEARCH TEXT and HEADER look at beside the body."""
    search_text: str
    """Decoded text of the text parts and the file names, at most 256 KiB of UTF-8."""
    opaque: bool = False
    """A limit was hit: the structure is given as one text/plain part; the bytes are served whole all the same."""
    filenames: tuple[str, ...] = ()
    field_count: int = 0
    """Fields of the top header; 2001 means more than 2000."""
