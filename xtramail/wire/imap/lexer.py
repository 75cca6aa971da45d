"""Tokens of one whole IMAP command (RFC 3501 §9): a cursor over its octets, literals inline.

Owns atoms, strings, numbers and sequence sets. Does not own framing (``reader.py`` has cut the command out of the
stream, so a literal's octets are all there) nor any command's grammar. Every pattern is one character class: linear.
"""

from __future__ import annotations

import re

from xtramail.model.sequence import STAR, SequenceSet
from xtramail.wire.imap.faults import BadSyntax, Declined

# atom = 1*ATOM-CHAR; ATOM-CHAR is any CHAR but "(" ")" "{" SP CTL "%" "*" DQUOTE "\" "]"
_ATOM = re.compile(rb"[^\x00-\x20(){%*\"\\\]\x7f-\xff]+")
# ASTRING-CHAR = ATOM-CHAR / "]"
_ASTRING = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff]+")
# list-char = ATOM-CHAR / list-wildcards / resp-specials
_PATTERN = re.compile(rb"[^\x00-\x20(){\"\\\x7f-\xff]+")
# quoted = DQUOTE *QUOTED-CHAR DQUOTE. 8-bit octets pass here (clients quote UTF-8 passwords); who decodes them judges.
_PLAIN_QUOTED = re.compile(rb'"([^"\\\r\n\x00]*)"')
_QUOTED_RUN = re.compile(rb'[^"\\\r\n\x00]*')
_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}\r\n")
_NUMBER = re.compile(rb"[0-9]+")
_SET = re.compile(rb"[0-9*:,]+")

MAX_NUMBER = 0xFFFF_FFFF
MAX_NUMBER64 = 0x7FFF_FFFF_FFFF_FFFF
_NUMBER_DIGITS = 10
_NUMBER64_DIGITS = 19


class Cursor:
    """Reads ``octets`` from ``at`` on. Every method raises BadSyntax when the next token is another."""

    __slots__ = ("_atoms_left", "at", "octets")

    def __init__(self, octets: bytes, at: int = 0, atoms: int = 10_000) -> None:
        """``atoms``: how many tokens a command may have before it is called a bomb."""
        self.octets = octets
        self.at = at
        self._atoms_left = atoms

    @property
    def done(self) -> bool:
        return self.at >= len(self.octets)

    def follows(self, text: bytes) -> bool:
        """Do these octets come next? Nothing is taken."""
        return self.octets.startswith(text, self.at)

    def take(self, text: bytes) -> bool:
        """Take these octets if they come next."""
        if self.octets.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def expect(self, text: bytes) -> None:
        if not self.take(text):
            raise BadSyntax(f"Expected {text.decode('ascii')!r}")

    def space(self) -> None:
        if not self.octets.startswith(b" ", self.at):
            raise BadSyntax("Arguments missing")
        self.at += 1

    def finish(self) -> None:
        """The command must end here. A trailing space is forgiven: several clients send one."""
        if self.octets.startswith(b" ", self.at):
            self.at += 1
        if self.at < len(self.octets):
            raise BadSyntax("Unexpected text after the arguments")

    def _match(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        self._atoms_left -= 1
        if self._atoms_left < 0:
            raise BadSyntax("Command has too many words")
        match = pattern.match(self.octets, self.at)
        if match is None:
            raise BadSyntax(what)
        self.at = match.end()
        return match.group()

    def atom(self) -> bytes:
        return self._match(_ATOM, "Expected a word")

    def word(self) -> bytes:
        """An atom in upper case: a keyword of the grammar."""
        return self._match(_ATOM, "Expected a word").upper()

    def at_string(self) -> bool:
        """Does a quoted string or literal come next?"""
        return self.octets.startswith((b'"', b"{"), self.at)

    def string(self) -> bytes:
        """Quoted or literal."""
        self._atoms_left -= 1
        if self._atoms_left < 0:
            raise BadSyntax("Command has too many words")
        if self.octets.startswith(b"{", self.at):
            return self._literal()
        match = _PLAIN_QUOTED.match(self.octets, self.at)
        if match is not None:
            self.at = match.end()
            return match.group(1)
        return self._escaped()

    def _literal(self) -> bytes:
        match = _LITERAL.match(self.octets, self.at)
        if match is None:
            raise BadSyntax("Expected a string")
        start = match.end()
        self.at = start + int(match.group(1))
        if self.at > len(self.octets):
            raise BadSyntax("Literal is cut short")
        return self.octets[start : self.at]

    def _escaped(self) -> bytes:
        self.expect(b'"')
        pieces: list[bytes] = []
        while True:
            match = _QUOTED_RUN.match(self.octets, self.at)
            if match is not None:
                pieces.append(match.group())
                self.at = match.end()
            if self.take(b'"'):
                return b"".join(pieces)
            # QUOTED-CHAR = "\" quoted-specials: nothing else may be escaped
            escaped = self.octets[self.at : self.at + 2]
            if escaped not in (b'\\"', b"\\\\"):
                raise BadSyntax("Quoted string is malformed")
            pieces.append(escaped[1:])
            self.at += 2

    def astring(self) -> bytes:
        if self.octets.startswith((b'"', b"{"), self.at):
            return self.string()
        return self._match(_ASTRING, "Expected a string")

    def nstring(self) -> bytes | None:
        """A string or NIL."""
        if self.octets.startswith((b'"', b"{"), self.at):
            return self.string()
        if self.word() != b"NIL":
            raise BadSyntax("Expected a string or NIL")
        return None

    def pattern(self) -> bytes:
        """list-mailbox: a string, or an atom that may hold wildcards."""
        if self.octets.startswith((b'"', b"{"), self.at):
            return self.string()
        return self._match(_PATTERN, "Expected a mailbox pattern")

    def number(self, least: int = 0) -> int:
        """0..2^32-1."""
        return self._bounded(_NUMBER_DIGITS, least, MAX_NUMBER)

    def number64(self, least: int = 0) -> int:
        """0..2^63-1 (RFC 9051 §9)."""
        return self._bounded(_NUMBER64_DIGITS, least, MAX_NUMBER64)

    def modseq(self, least: int = 0) -> int:
        """mod-sequence-value: 0..2^63-1 (RFC 7162 §7)."""
        return self.number64(least)

    def _bounded(self, digits: int, least: int, most: int) -> int:
        text = self._match(_NUMBER, "Expected a number")
        if len(text) > digits:
            raise BadSyntax("Number is out of range")
        value = int(text)
        if not least <= value <= most:
            raise BadSyntax("Number is out of range")
        return value

    def sequence_set(self, ranges: int) -> SequenceSet:
        """At most ``ranges`` after joining; else Declined with LIMIT: a long set must not cost the connection."""
        text = self._match(_SET, "Expected message numbers")
        joined: list[tuple[int, int]] = []
        behind, ordered = -1, True
        for piece in text.split(b","):
            if b":" in piece:
                low, _, high = piece.partition(b":")
                first, last = _set_number(low), _set_number(high)
                if first > last:
                    first, last = last, first
            else:
                first = last = _set_number(piece)
            if first > behind + 1:
                joined.append((first, last))
            elif first == behind + 1 and ordered:
                joined[-1] = joined[-1][0], last
            else:
                joined.append((first, last))
                ordered = False
            behind = last
        # Most sets are written in order, and need no sorting.
        if ordered:
            numbers = SequenceSet(ranges=tuple(joined), star=behind == STAR)
        else:
            numbers = SequenceSet.of(joined)
        if len(numbers.ranges) > ranges:
            raise Declined(f"More than {ranges} separate ranges of messages", b"LIMIT")
        return numbers


def _set_number(text: bytes) -> int:
    """seq-number = nz-number / "*"."""
    if text == b"*":
        return STAR
    if not text.isdigit() or len(text) > _NUMBER_DIGITS:
        raise BadSyntax("Message number is malformed")
    value = int(text)
    if 0 < value < STAR:
        return value
    if value != STAR:
        raise BadSyntax("Message number is out of range")
    # 2^32-1 itself is never a UID here, and must not be taken for "*", which names the last message.
    return STAR - 1
