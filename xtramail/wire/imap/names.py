"""Mailbox names and patterns as a client writes them, to the text the store knows.

Owns the rules of form: one spelling, no control characters, bounded length and depth, INBOX in any case. Does not own
which mailboxes exist.
"""

from __future__ import annotations

from functools import lru_cache

from xtramail.wire.imap.faults import Declined
from xtramail.wire.imap.utf7 import Spelling, decode_mailbox

SEPARATOR = "/"
_MOST_OCTETS = 1000
_MOST_LEVELS = 20
_MOST_PATTERN_OCTETS = 1024
_MATCHES_NOTHING = "\x00"


def _text(octets: bytes, most: int, spelling: Spelling) -> str:
    if len(octets) > most:
        raise Declined(f"Mailbox name is longer than {most} octets", b"CANNOT")
    try:
        text = decode_mailbox(octets) if spelling is Spelling.UTF7 else octets.decode()
    except ValueError:
        raise Declined(f"Mailbox name is not in {spelling.value}", b"CANNOT") from None
    # RFC 6855 §3: neither line nor paragraph separator.
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text):
        raise Declined("Mailbox name has control characters", b"CANNOT")
    return text


@lru_cache(maxsize=1024)
def mailbox_name(octets: bytes, spelling: Spelling = Spelling.UTF7) -> str:
    """The decoded name, ``INBOX`` (alone or as first level) in capitals; Declined with CANNOT if its form is wrong."""
    text = _text(octets, _MOST_OCTETS, spelling)
    levels = text.split(SEPARATOR)
    if len(text.encode()) > _MOST_OCTETS or len(levels) > _MOST_LEVELS:
        raise Declined("Mailbox name is too long or too deep", b"CANNOT")
    if "" in levels:
        raise Declined("Mailbox name has an empty level", b"CANNOT")
    # RFC 3501 §5.1: INBOX is one name in any case; levels below it follow, or they would be orphans.
    if levels[0].lower() == "inbox":
        levels[0] = "INBOX"
        return SEPARATOR.join(levels)
    return text


def new_mailbox_name(octets: bytes, spelling: Spelling = Spelling.UTF7) -> str:
    """For CREATE: a trailing separator only says that children will come (RFC 3501 §6.3.3; Thunderbird sends it)."""
    return mailbox_name(octets[:-1] if octets.endswith(b"/") else octets, spelling)


@lru_cache(maxsize=256)
def mailbox_pattern(octets: bytes, spelling: Spelling = Spelling.UTF7) -> str:
    """Pattern or reference of LIST and LSUB, decoded; wildcards stay as they are.

    One that cannot be decoded, or has control characters, is no fault: it is a pattern that no name matches.
    """
    try:
        return _text(octets, _MOST_PATTERN_OCTETS, spelling)
    except Declined:
        if len(octets) > _MOST_PATTERN_OCTETS:
            raise
        return _MATCHES_NOTHING
