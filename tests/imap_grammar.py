"""What a server may send, as RFC 9051 §9 has it (and the RFCs of the extensions): a reader that refuses anything else.

For tests alone: every answer of a dialogue can be put before it. It knows no state, only form.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ATOM = re.compile(rb"[^\x00-\x20(){%*\"\\\]\x7f-\xff]+")
_ASTRING = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff]+")
_QUOTED = re.compile(rb'"(?:[^"\\\r\n\x00]|\\["\\])*"')
_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_NUMBER = re.compile(rb"\d+")
_NZ = re.compile(rb"[1-9]\d*")
_SET = re.compile(rb"(?:[1-9]\d*|\*)(?::(?:[1-9]\d*|\*))?(?:,(?:[1-9]\d*|\*)(?::(?:[1-9]\d*|\*))?)*")
_UIDS = re.compile(rb"[1-9]\d*(?::[1-9]\d*)?(?:,[1-9]\d*(?::[1-9]\d*)?)*")
_FLAG = re.compile(rb"\\?[^\x00-\x20(){%*\"\\\]\x7f-\xff]+")
_DATE_TIME = re.compile(
    rb'"[ \d]\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"'
)
_TEXT = re.compile(rb"[^\r\n\x00]+")
_CODE_TEXT = re.compile(rb"[^\]\r\n\x00]+")
_SECTION = re.compile(rb"\[(?:[^\]\[\r\n]*)\](?:<\d+>)?")
_OBJECT = re.compile(rb"\([A-Za-z0-9_-]{1,255}\)")


class Malformed(AssertionError):
    """Something that no server may send."""


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def fail(self, wanted: str) -> Malformed:
        return Malformed(f"expected {wanted} at {self.octets[max(0, self.at - 60) : self.at]!r}"
                         f" | {self.octets[self.at : self.at + 80]!r}")  # fmt: skip

    def follows(self, text: bytes) -> bool:
        return self.octets[self.at : self.at + len(text)].upper() == text

    def take(self, text: bytes) -> bool:
        if not self.follows(text):
            return False
        self.at += len(text)
        return True

    def expect(self, text: bytes) -> None:
        if not self.take(text):
            raise self.fail(repr(text))

    def match(self, pattern: re.Pattern[bytes], wanted: str) -> bytes:
        found = pattern.match(self.octets, self.at)
        if found is None:
            raise self.fail(wanted)
        self.at = found.end()
        return found.group()

    # Tokens

    def number(self) -> None:
        self.match(_NUMBER, "number")

    def string(self) -> None:
        found = _LITERAL.match(self.octets, self.at)
        if found is not None:
            self.at = found.end() + int(found.group(1))
            if self.at > len(self.octets):
                raise self.fail("the whole literal")
            return
        self.match(_QUOTED, "string")

    def nstring(self) -> None:
        if not self.take(b"NIL"):
            self.string()

    def astring(self) -> None:
        if self.octets[self.at : self.at + 1] in (b'"', b"{"):
            self.string()
        else:
            self.match(_ASTRING, "astring")

    def listed(self, item: Callable[[], object], *, least: int = 0) -> None:
        """``"(" [item *(SP item)] ")"``."""
        self.expect(b"(")
        count = 0
        while not self.take(b")"):
            if count:
                self.expect(b" ")
            item()
            count += 1
        if count < least:
            raise self.fail(f"at least {least} in the list")

    def flag(self) -> None:
        self.match(_FLAG, "flag")

    # Responses

    def response(self) -> None:
        if self.take(b"+ "):
            # continue-req = "+" SP (resp-text / base64) CRLF, and base64 may be empty: PLAIN's first challenge.
            if not self.follows(b"\r\n"):
                self.match(_TEXT, "text")
        elif self.take(b"* "):
            self.untagged()
        else:
            self.match(_ASTRING, "tag")
            self.expect(b" ")
            if not self.status_response((b"OK", b"NO", b"BAD")):
                raise self.fail("OK, NO or BAD")
        self.expect(b"\r\n")

    def status_response(self, words: tuple[bytes, ...]) -> bool:
        for word in words:
            if self.take(word + b" "):
                self.resp_text()
                return True
        return False

    def resp_text(self) -> None:
        if self.take(b"["):
            self.code()
            self.expect(b"] ")
        self.match(_TEXT, "text")

    def untagged(self) -> None:
        if self.status_response((b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")):
            return
        if self.octets[self.at : self.at + 1].isdigit():
            self.numbered()
            return
        word = self.match(_ATOM, "response name").upper()
        reader = _DATA.get(word)
        if reader is None:
            raise self.fail(f"a known response, not {word!r}")
        reader(self)

    def numbered(self) -> None:
        self.number()
        if self.take(b" EXISTS") or self.take(b" RECENT") or self.take(b" EXPUNGE"):
            return
        self.expect(b" FETCH ")
        self.listed(self.msg_att, least=1)

    def code(self) -> None:
        name = self.match(_ATOM, "response code").upper()
        reader = _CODES.get(name)
        if reader is None:
            raise self.fail(f"a known response code, not {name!r}")
        reader(self)

    # FETCH

    def msg_att(self) -> None:
        name = self.match(re.compile(rb"[A-Z0-9.]+"), "fetch item")
        if name in (b"BODY", b"BINARY", b"BINARY.SIZE") and self.follows(b"["):
            self.match(_SECTION, "section")
            self.expect(b" ")
            if name == b"BINARY.SIZE":
                self.number()
            else:
                self.nstring()
            return
        self.expect(b" ")
        reader = _ITEMS.get(name)
        if reader is None:
            raise self.fail(f"a known item, not {name!r}")
        reader(self)

    def envelope(self) -> None:
        self.expect(b"(")
        self.nstring()
        self.expect(b" ")
        self.nstring()
        for _ in range(6):
            self.expect(b" ")
            if not self.take(b"NIL"):
                self.addresses()
        for _ in range(2):
            self.expect(b" ")
            self.nstring()
        self.expect(b")")

    def addresses(self) -> None:
        self.expect(b"(")
        while True:
            self.expect(b"(")
            for index in range(4):
                if index:
                    self.expect(b" ")
                self.nstring()
            self.expect(b")")
            if self.take(b")"):
                return

    def body(self, *, extended: bool) -> None:
        self.expect(b"(")
        if self.follows(b"("):
            while self.follows(b"("):
                self.body(extended=extended)
            self.expect(b" ")
            self.string()
            if extended:
                self.expect(b" ")
                self.body_param()
                self.body_tail()
        else:
            self.single(extended=extended)
        self.expect(b")")

    def single(self, *, extended: bool) -> None:
        start = self.at
        self.string()
        self.expect(b" ")
        self.string()
        kind = self.octets[start : self.at].upper()
        self.expect(b" ")
        self.body_param()
        for read in (self.nstring, self.nstring, self.string, self.number):
            self.expect(b" ")
            read()
        if kind in (b'"MESSAGE" "RFC822"', b'"MESSAGE" "GLOBAL"'):
            self.expect(b" ")
            self.envelope()
            self.expect(b" ")
            self.body(extended=extended)
            self.expect(b" ")
            self.number()
        elif kind.startswith(b'"TEXT" '):
            self.expect(b" ")
            self.number()
        if extended:
            self.expect(b" ")
            self.nstring()
            self.body_tail()

    def body_param(self) -> None:
        if not self.take(b"NIL"):
            self.listed(self.string, least=2)

    def body_tail(self) -> None:
        """Disposition, language, location."""
        self.expect(b" ")
        if not self.take(b"NIL"):
            self.expect(b"(")
            self.string()
            self.expect(b" ")
            self.body_param()
            self.expect(b")")
        self.expect(b" ")
        if self.follows(b"("):
            self.listed(self.string, least=1)
        else:
            self.nstring()
        self.expect(b" ")
        self.nstring()

    # Mailboxes

    def mailbox_list(self) -> None:
        self.expect(b" ")
        self.listed(self.flag)
        self.expect(b" ")
        if not self.take(b"NIL"):
            self.match(re.compile(rb'"(?:[^"\\]|\\["\\])"'), "separator")
        self.expect(b" ")
        self.astring()
        if self.take(b" "):
            self.listed(self.list_item)

    def list_item(self) -> None:
        self.astring()
        self.expect(b" ")
        self.listed(self.astring)

    def status_data(self) -> None:
        self.expect(b" ")
        self.astring()
        self.expect(b" ")
        self.listed(self.status_item)

    def status_item(self) -> None:
        name = self.match(_ATOM, "status item")
        self.expect(b" ")
        if name == b"MAILBOXID":
            self.match(_OBJECT, "object id")
        elif not (name == b"APPENDLIMIT" and self.take(b"NIL")):
            self.number()

    def namespaces(self) -> None:
        for _ in range(3):
            self.expect(b" ")
            if not self.take(b"NIL"):
                self.expect(b"((")
                self.string()
                self.expect(b" ")
                self.string()
                self.expect(b"))")

    def numbers(self) -> None:
        while self.follows(b" ") and not self.follows(b" ("):
            self.expect(b" ")
            self.match(_NZ, "number")
        if self.take(b" (MODSEQ "):
            self.match(_NZ, "modseq")
            self.expect(b")")

    def esearch(self) -> None:
        if self.take(b" (TAG "):
            self.string()
            self.expect(b")")
        self.take(b" UID")
        while self.take(b" "):
            name = self.match(_ATOM, "search data")
            self.expect(b" ")
            if name in (b"MIN", b"MAX", b"MODSEQ"):
                self.match(_NZ, "number")
            elif name == b"COUNT":
                self.number()
            elif name == b"ALL":
                self.match(_UIDS, "set")
            elif name == b"PARTIAL":
                self.match(re.compile(rb"\(-?\d+:-?\d+ (?:NIL|[\d:,]+)\)"), "partial")
            else:
                raise self.fail(f"search data, not {name!r}")

    def threads(self) -> None:
        if self.take(b" "):
            while self.follows(b"("):
                self.thread()

    def thread(self) -> None:
        self.expect(b"(")
        first = True
        while not self.take(b")"):
            if self.follows(b"("):
                self.thread()
                continue
            if not first:
                self.take(b" ")
            if self.follows(b"("):
                continue
            self.match(_NZ, "number")
            first = False

    def words(self) -> None:
        while self.take(b" "):
            self.match(re.compile(rb"[A-Za-z0-9=+./:-]+"), "capability")

    def server_id(self) -> None:
        self.expect(b" ")
        if not self.take(b"NIL"):
            self.listed(self.nstring, least=2)

    def quota(self) -> None:
        self.expect(b" ")
        self.astring()
        self.expect(b" ")
        self.match(re.compile(rb"\((?:[A-Z-]+ \d+ \d+(?: [A-Z-]+ \d+ \d+)*)?\)"), "quota list")

    def quota_root(self) -> None:
        self.expect(b" ")
        self.astring()
        while self.take(b" "):
            self.astring()

    def vanished(self) -> None:
        self.expect(b" ")
        self.take(b"(EARLIER) ")
        self.match(_UIDS, "uids")

    def flags(self) -> None:
        self.expect(b" ")
        self.listed(self.flag)


def _matching(pattern: bytes, wanted: str) -> Callable[[_Reader], object]:
    compiled = re.compile(pattern)
    return lambda reader: reader.match(compiled, wanted)


_NOTHING = _matching(rb"", "nothing")
_ONE_NUMBER = _matching(rb" [1-9]\d*", "number")

_DATA: dict[bytes, Callable[[_Reader], object]] = {
    b"CAPABILITY": _Reader.words,
    b"ENABLED": _Reader.words,
    b"FLAGS": _Reader.flags,
    b"LIST": _Reader.mailbox_list,
    b"LSUB": _Reader.mailbox_list,
    b"STATUS": _Reader.status_data,
    b"NAMESPACE": _Reader.namespaces,
    b"SEARCH": _Reader.numbers,
    b"SORT": _Reader.numbers,
    b"THREAD": _Reader.threads,
    b"ESEARCH": _Reader.esearch,
    b"VANISHED": _Reader.vanished,
    b"ID": _Reader.server_id,
    b"QUOTA": _Reader.quota,
    b"QUOTAROOT": _Reader.quota_root,
}
_CODES: dict[bytes, Callable[[_Reader], object]] = {
    **dict.fromkeys(
        (
            *(b"ALERT", b"PARSE", b"READ-ONLY", b"READ-WRITE", b"TRYCREATE", b"UNAVAILABLE", b"AUTHENTICATIONFAILED"),
            *(b"PRIVACYREQUIRED", b"NOPERM", b"EXPUNGEISSUED", b"CORRUPTION", b"SERVERBUG", b"CLIENTBUG", b"CANNOT"),
            *(b"LIMIT", b"OVERQUOTA", b"ALREADYEXISTS", b"NONEXISTENT", b"NOTSAVED", b"HASCHILDREN", b"CLOSED"),
            *(b"UNKNOWN-CTE", b"USEATTR", b"TOOBIG", b"COMPRESSIONACTIVE"),
        ),
        _NOTHING,
    ),
    b"BADCHARSET": _matching(rb" \([A-Za-z0-9 -]+\)", "charsets"),
    b"CAPABILITY": _Reader.words,
    b"PERMANENTFLAGS": _matching(rb" \((?:\\?[^\x00-\x20(){%\"\\\]\x7f-\xff]+ ?)*\)", "permanent flags"),
    b"UIDNEXT": _ONE_NUMBER,
    b"UIDVALIDITY": _ONE_NUMBER,
    b"UNSEEN": _ONE_NUMBER,
    b"HIGHESTMODSEQ": _ONE_NUMBER,
    b"APPENDUID": _matching(rb" [1-9]\d* [1-9][\d:,]*", "APPENDUID"),
    b"COPYUID": _matching(rb" [1-9]\d* [1-9][\d:,]* [1-9][\d:,]*", "COPYUID"),
    b"MODIFIED": _matching(rb" [1-9][\d:,]*", "set"),
    b"MAILBOXID": _matching(rb" \([A-Za-z0-9_-]{1,255}\)", "object id"),
    b"INPROGRESS": _matching(rb' \("[^"\r\n]*" (?:NIL NIL|\d+ [1-9]\d*)\)', "progress"),
}
_ITEMS: dict[bytes, Callable[[_Reader], object]] = {
    b"FLAGS": lambda reader: reader.listed(reader.flag),
    b"UID": _matching(rb"[1-9]\d*", "uid"),
    b"RFC822.SIZE": _Reader.number,
    b"INTERNALDATE": lambda reader: reader.match(_DATE_TIME, "date-time"),
    b"SAVEDATE": lambda reader: reader.take(b"NIL") or reader.match(_DATE_TIME, "date-time"),
    b"ENVELOPE": _Reader.envelope,
    b"BODY": lambda reader: reader.body(extended=False),
    b"BODYSTRUCTURE": lambda reader: reader.body(extended=True),
    b"MODSEQ": _matching(rb"\([1-9]\d*\)", "modseq"),
    b"EMAILID": lambda reader: reader.match(_OBJECT, "object id"),
    b"THREADID": lambda reader: reader.take(b"NIL") or reader.match(_OBJECT, "object id"),
    b"PREVIEW": _Reader.nstring,
    b"RFC822": _Reader.nstring,
    b"RFC822.HEADER": _Reader.nstring,
    b"RFC822.TEXT": _Reader.nstring,
}


def check(octets: bytes) -> None:
    """Raises Malformed unless it is responses, one after another and whole."""
    reader = _Reader(octets)
    while reader.at < len(octets):
        reader.response()
