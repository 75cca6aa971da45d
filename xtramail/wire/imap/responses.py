"""Builders of answers (RFC 3501 §7): values in, finished bytes out, each line with its CRLF.

Owns quoting. Does not own tagged answers' tags (the connection puts them), nor which answer is due.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache

from xtramail.model.flags import FLAG_NAMES, Flag
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap.commands import StatusItem
from xtramail.wire.imap.status import Outcome, Tagged
from xtramail.wire.imap.utf7 import Spelling, encode_mailbox

CRLF = b"\r\n"

# astring = 1*ASTRING-CHAR / string; ASTRING-CHAR = ATOM-CHAR / "]"; ATOM-CHAR = any CHAR but
# "(" / ")" / "{" / SP / CTL / list-wildcards / DQUOTE / "\" (RFC 3501 §9)
_ATOM = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff]+")
_NOT_QUOTABLE = re.compile(rb"[\x00\r\n\x80-\xff]")
_NOT_TEXT = re.compile(r"[^\x20-\x7e]")
_NAME_LIMIT = 1000


def quoted(octets: bytes) -> bytes:
    """A quoted string; ValueError when it holds what only a literal can carry."""
    if _NOT_QUOTABLE.search(octets):
        raise ValueError("not expressible as a quoted string")
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


def literal_head(size: int) -> bytes:
    """What stands before ``size`` octets that are streamed."""
    return b"{%d}\r\n" % size


def string(octets: bytes) -> bytes:
    """Quoted where possible and short, else a literal."""
    if len(octets) > _NAME_LIMIT or _NOT_QUOTABLE.search(octets):
        return literal(octets)
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def nstring(octets: bytes | None) -> bytes:
    return b"NIL" if octets is None else string(octets)


def astring(octets: bytes) -> bytes:
    """An atom where possible (NIL is quoted: some clients read it as nothing)."""
    if _ATOM.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets)


def mailbox(name: str, spelling: Spelling = Spelling.UTF7) -> bytes:
    """A mailbox name as modified UTF-7 (RFC 3501 §5.1.3), quoted: the form every client reads."""
    if spelling is Spelling.UTF8:
        # Always quoted: Thunderbird for Android reads no literal here.
        return b'"' + name.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return string(encode_mailbox(name))


def _system_flags(bits: int) -> bytes:
    return b" ".join(name for flag, name in FLAG_NAMES if bits & flag.value)


# All 32 sets of system flags, rendered once: FETCH FLAGS is the hottest answer there is.
_FLAG_TEXT: tuple[bytes, ...] = tuple(_system_flags(bits) for bits in range(32))


def flag_list(flags: Flag | int, keywords: Iterable[str] = (), *, recent: bool = False) -> bytes:
    """``(\\Seen $Forwarded)``."""
    text = _FLAG_TEXT[int(flags)]
    words = [keyword.encode("ascii") for keyword in keywords]
    if recent:
        words.append(b"\\Recent")
    if not words:
        return b"(" + text + b")"
    if text:
        words.insert(0, text)
    return b"(" + b" ".join(words) + b")"


# Untagged status answers

_WORDS = {outcome: outcome.value for outcome in Outcome}
"""An enumeration's value costs two calls each time it is asked for."""


def tagged(tag: bytes, answer: Tagged) -> bytes:
    """``a1 OK [READ-WRITE] Done``; a text always follows, for clients that choke on its absence."""
    return b"%b %b %b\r\n" % (tag, _WORDS[answer.outcome], _coded(answer.code, answer.text))


def _coded(code: bytes, text: str) -> bytes:
    clean = text if text.isascii() and text.isprintable() else _NOT_TEXT.sub("?", text)
    words = clean.encode("ascii") or b"Done"
    return b"[%b] %b" % (code, words) if code else words


def ok(text: str, code: bytes = b"") -> bytes:
    return b"* OK %b\r\n" % _coded(code, text)


def no(text: str, code: bytes = b"") -> bytes:
    return b"* NO %b\r\n" % _coded(code, text)


def bad(text: str, code: bytes = b"") -> bytes:
    return b"* BAD %b\r\n" % _coded(code, text)


def bye(text: str, code: bytes = b"") -> bytes:
    return b"* BYE %b\r\n" % _coded(code, text)


def preauth(text: str, code: bytes = b"") -> bytes:
    return b"* PREAUTH %b\r\n" % _coded(code, text)


# Response codes: for the ``code`` arguments here and of ``status``


@lru_cache(maxsize=256)
def capability_code(capabilities: tuple[str, ...]) -> bytes:
    return b"CAPABILITY " + " ".join(capabilities).encode("ascii")


def permanent_flags_code(flags: Iterable[bytes], *, keywords_creatable: bool) -> bytes:
    words = [*flags, b"\\*"] if keywords_creatable else list(flags)
    return b"PERMANENTFLAGS (%b)" % b" ".join(words)


def uidvalidity_code(uidvalidity: int) -> bytes:
    return b"UIDVALIDITY %d" % uidvalidity


def uidnext_code(uidnext: int) -> bytes:
    return b"UIDNEXT %d" % uidnext


def unseen_code(number: int) -> bytes:
    """``number`` is the sequence number of the first unseen message."""
    return b"UNSEEN %d" % number


def highestmodseq_code(modseq: int) -> bytes:
    return b"HIGHESTMODSEQ %d" % modseq


def mailboxid_code(object_id: bytes) -> bytes:
    """RFC 8474 §4.2; the value is an atom in parentheses."""
    return b"MAILBOXID (%b)" % object_id


def modified_code(numbers: SequenceSet) -> bytes:
    """RFC 7162 §3.1.3."""
    return b"MODIFIED " + bytes(numbers)


def appenduid_code(uidvalidity: int, uids: SequenceSet) -> bytes:
    """RFC 4315 §3."""
    return b"APPENDUID %d %b" % (uidvalidity, bytes(uids))


def uid_list(uids: Iterable[int]) -> bytes:
    """UIDs in the order given, runs joined: COPYUID pairs its two lists by position, so the order is kept."""
    pieces: list[bytes] = []
    first = last = 0
    for uid in uids:
        if last and uid == last + 1:
            last = uid
            continue
        if last:
            pieces.append(b"%d" % first if first == last else b"%d:%d" % (first, last))
        first = last = uid
    if last:
        pieces.append(b"%d" % first if first == last else b"%d:%d" % (first, last))
    return b",".join(pieces)


def copyuid_code(uidvalidity: int, sources: Iterable[int], targets: Iterable[int]) -> bytes:
    """RFC 4315 §3; ``sources`` and ``targets`` pair by position, at least one pair."""
    return b"COPYUID %d %b %b" % (uidvalidity, uid_list(sources), uid_list(targets))


def in_progress_code(tag: bytes, done: int | None = None, goal: int | None = None) -> bytes:
    """RFC 9585 §4: how far the command under way has come, of a goal above it where both are known; untagged only."""
    if done is None or goal is None or done >= goal:
        return b"INPROGRESS (%b NIL NIL)" % quoted(tag)
    return b"INPROGRESS (%b %d %d)" % (quoted(tag), done, goal)


# Data


def capability(capabilities: tuple[str, ...]) -> bytes:
    return b"* %b\r\n" % capability_code(capabilities)


def enabled(capabilities: Iterable[str]) -> bytes:
    """RFC 5161 §3.2; also when there is none (MailKit waits for the line)."""
    return b"* " + " ".join(["ENABLED", *capabilities]).encode("ascii") + CRLF


def server_id(fields: Mapping[str, str]) -> bytes:
    """RFC 2971 §3.2."""
    if not fields:
        return b"* ID NIL\r\n"
    words = (string(word.encode()) for pair in fields.items() for word in pair)
    return b"* ID (%b)\r\n" % b" ".join(words)


def namespace() -> bytes:
    """One personal namespace, separator ``/`` (RFC 2342 §5)."""
    return b'* NAMESPACE (("" "/")) NIL NIL\r\n'


def list_line(
    name: str, attributes: Iterable[bytes], extended: bytes = b"", spelling: Spelling = Spelling.UTF7
) -> bytes:
    """``attributes`` like ``\\HasNoChildren``; ``extended`` finished, such as ``("CHILDINFO" ("SUBSCRIBED"))``."""
    tail = b" " + extended if extended else b""
    return b'* LIST (%b) "/" %b%b\r\n' % (b" ".join(attributes), mailbox(name, spelling), tail)


def old_name(name: str, spelling: Spelling) -> bytes:
    """``extended`` of a mailbox that was called ``name`` (RFC 9051 §6.3.9.7)."""
    return b'("OLDNAME" (%b))' % mailbox(name, spelling)


def list_root() -> bytes:
    """Answer to an empty pattern: the separator (RFC 3501 §6.3.8)."""
    return b'* LIST (\\Noselect) "/" ""\r\n'


def lsub_line(name: str, attributes: Iterable[bytes], spelling: Spelling = Spelling.UTF7) -> bytes:
    return b'* LSUB (%b) "/" %b\r\n' % (b" ".join(attributes), mailbox(name, spelling))


def status(
    name: str, items: Mapping[StatusItem, int | bytes | None], spelling: Spelling = Spelling.UTF7
) -> bytes:
    """Numbers, or finished bytes; None is NIL (APPENDLIMIT without one)."""
    words = []
    for item, value in items.items():
        shown = b"NIL" if value is None else value if isinstance(value, bytes) else b"%d" % value
        words.append(item.value + b" " + shown)
    return b"* STATUS %b (%b)\r\n" % (mailbox(name, spelling), b" ".join(words))


def search(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    tail = b"" if modseq is None else b" (MODSEQ %d)" % modseq
    words = " ".join(map(str, numbers))
    return b"* SEARCH%b%b%b\r\n" % (b" " if words else b"", words.encode(), tail)


def esearch(
    tag: bytes,
    *,
    uid: bool,
    minimum: int | None = None,
    maximum: int | None = None,
    count: int | None = None,
    every: SequenceSet | None = None,
    partial: tuple[bytes, SequenceSet] | None = None,
    modseq: int | None = None,
) -> bytes:
    """RFC 4731 §3.1; the tag is quoted, as new Outlook insists. An empty ``every`` is left out."""
    words = [b"* ESEARCH (TAG " + quoted(tag) + b")"]
    if uid:
        words.append(b"UID")
    if minimum is not None:
        words.append(b"MIN %d" % minimum)
    if maximum is not None:
        words.append(b"MAX %d" % maximum)
    if every:
        words.append(b"ALL " + bytes(every))
    if count is not None:
        words.append(b"COUNT %d" % count)
    if partial is not None:
        # RFC 9394 §3.1: the range as it was asked for, and what lies in it.
        words.append(b"PARTIAL (%b %b)" % (partial[0], bytes(partial[1]) or b"NIL"))
    if modseq is not None:
        words.append(b"MODSEQ %d" % modseq)
    return b" ".join(words) + CRLF


def exists(count: int) -> bytes:
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    return b"* %d RECENT\r\n" % count


def expunge(number: int) -> bytes:
    return b"* %d EXPUNGE\r\n" % number


def vanished(uids: SequenceSet, *, earlier: bool) -> bytes:
    """RFC 7162 §3.2.10."""
    return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if earlier else b"", bytes(uids))


def flags(names: Iterable[bytes]) -> bytes:
    """Flags and keywords applicable in the mailbox."""
    return b"* FLAGS (%b)\r\n" % b" ".join(names)


def fetch(number: int, items: bytes) -> bytes:
    """``items`` finished: ``UID 7 FLAGS (\\Seen)``."""
    return b"* %d FETCH (%b)\r\n" % (number, items)


def fetch_form(items: bytes) -> bytes:
    """:func:`fetch` as a format: a number, then what fills in the format ``items``."""
    return b"* %%d FETCH (%b)\r\n" % items


def fetch_head(number: int) -> bytes:
    """Start of a FETCH answer whose literals are streamed; end it with ``FETCH_TAIL``."""
    return b"* %d FETCH (" % number


FETCH_TAIL = b")\r\n"

_EPOCH = date(1970, 1, 1)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def internal_date(seconds: float) -> bytes:
    """``"17-Jul-1996 02:44:25 +0000"``: ``seconds`` since 1970 as date-time (RFC 3501 §9), always in UTC."""
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    return b'"%b %02d:%02d:%02d +0000"' % (_day(days), hours, rest // 60, rest % 60)


def internal_dates(moments: Iterable[int]) -> list[bytes]:
    """:func:`internal_date` of many."""
    known = _Days()
    return [
        b"%b%b%02d +0000\"" % (known[moment // 86_400], _MINUTES[moment % 86_400 // 60], moment % 60)
        for moment in moments
    ]


class _Days(dict[int, bytes]):
    def __missing__(self, days: int) -> bytes:
        text = self[days] = b'"%b ' % _day(days)
        return text


_MINUTES = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(1440))


@lru_cache(maxsize=512)
def _day(days: int) -> bytes:
    moment = _EPOCH + timedelta(days=days)
    return b"%2d-%b-%04d" % (moment.day, _MONTHS[moment.month - 1], moment.year)
