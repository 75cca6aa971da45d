"""The first octets of a line: tag and command word, or a sign that no mail client speaks."""

from __future__ import annotations

import re

# tag = 1*<any ASTRING-CHAR except "+">, SP, command word. Both bounded: what does not fit is no command.
_HEAD = re.compile(rb"([^\x00-\x20(){%*\"\\+\x7f-\xff]{1,255}) ([A-Za-z]{1,32})(?=[ ]|\Z)")
_TAG = re.compile(rb"([^\x00-\x20(){%*\"\\+\x7f-\xff]{1,255})(?= )")
# A browser made to post to a mail port (ALPACA): its request line, or a header line, is what comes first.
_HTTP = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) |[A-Za-z-]{1,64}:(?: |\r|\Z)")


def tag_and_word(line: bytes) -> tuple[bytes, bytes, int] | None:
    """Tag, command word in capitals, and where its arguments start; None when the line is no command."""
    match = _HEAD.match(line)
    return None if match is None else (match[1], match[2].upper(), match.end())


def tag_of(line: bytes) -> bytes:
    """The tag alone, or ``*`` when there is none: then the answer is untagged (RFC 3501 §7.1.3)."""
    match = _TAG.match(line)
    return b"*" if match is None else match[1]


def is_http(line: bytes) -> bool:
    return _HTTP.match(line) is not None
