"""How much of one message is looked into. Mail content can make nothing grow past these numbers.

Owns the numbers of the MIME scanner; a message beyond them is stored and served byte for byte all the same, only its
derived facts are poorer.
"""

from __future__ import annotations

from typing import Final

HEADER_OCTETS: Final = 256 * 1024
"""Octets of the top header that are parsed; the headers of all parts together have as many again."""
FIELDS: Final = 2000
"""Fields parsed in one header."""
DEPTH: Final = 50
"""Entities inside one another; one more and the structure is opaque."""
PARTS: Final = 1000
"""Entities in one message; one more and the structure is opaque."""
PARAMETERS: Final = 100
"""Parameters of one Content-Type or Content-Disposition; the rest is ignored."""
ADDRESSES: Final = 1000
"""Addresses parsed in one message; the rest is ignored."""
ADDRESS_TOKENS: Final = 20_000
"""Tokens read in one address list that is not of the usual forms: about 20 ms."""
ADDRESS_OCTETS: Final = 64
"""A field of addresses that is longer than this for each of them takes more of the room for addresses."""
COMMENT_DEPTH: Final = 20
"""Comments inside one another (RFC 5322 §3.2.2); a deeper one ends the parsing of its field."""
ENCODED_WORDS: Final = 4000
"""RFC 2047 words decoded in one header; the rest stays as it is."""
MESSAGE_IDS: Final = 1000
"""Identifiers taken from In-Reply-To or References."""
TEXT_OCTETS: Final = 256 * 1024
"""Octets of UTF-8 in the search text, and of HTML that is read."""
ENCODED_TEXT_OCTETS: Final = 512 * 1024
"""Octets of text parts, still encoded, that are kept to be decoded."""
HTML_TAGS: Final = 20_000
"""Tags read in one HTML part: about 10 ms."""
STRING_OCTETS: Final = 8192
"""Octets of one string in ENVELOPE or BODYSTRUCTURE; longer ones are cut."""
TOKEN_OCTETS: Final = 200
"""Octets of a type, subtype, disposition or encoding; what is longer is none (RFC 6838 §4.2: 127)."""
BOUNDARY_OCTETS: Final = 512
"""RFC 2046 §5.1.1 allows 70; longer than this is no boundary."""
DELIMITER_OCTETS: Final = 1024
"""A delimiter line with its padding; a longer line is text."""
DELIMITER_LOOKS: Final = 200_000
"""Lines beginning with ``--`` that are compared with the open boundaries: about 100 ms."""
TIME_SECONDS: Final = 0.25
"""Time spent in one message, by the clock passed in; then the structure is opaque."""
PREVIEW_CHARACTERS: Final = 200
"""RFC 8970 §3.1."""
