"""A primary's IMAP server that answers anything: a visit ends in words, never in an error of another kind."""

from __future__ import annotations

import atexit
import imaplib
import re
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from tests.fuzz.target import Target
from tests.journeys.authority import Authority
from xtramail.directory.imap_access import ImapAccess
from xtramail.model.secret import Secret
from xtramail.net.bounded_imap import Bounded, BoundedImapClient
from xtramail.net.imap_visit import Visit, VisitFailed

_TAG = re.compile(rb"[A-P]{2,6}[0-9]+(?= )")
_IDS = ("<1@example.test>", "<2@example.test>")


class _Line:
    """Socket and file in one: says its script, in which TAG stands for the tag of the command that it heard last."""

    def __init__(self, script: bytes) -> None:
        self._script = BytesIO(script)
        self._tag = b"X1"

    def sendall(self, octets: bytes) -> None:
        found = _TAG.match(octets)
        self._tag = found[0] if found is not None else self._tag

    def readline(self, most: int) -> bytes:
        return self._script.readline(most).replace(b"TAG", self._tag)

    def read(self, octets: int) -> bytes:
        return self._script.read(octets)

    def makefile(self, _mode: str) -> _Line:
        return self

    def close(self) -> None:
        self._script.close()

    def settimeout(self, _seconds: float | None) -> None: ...

    def setsockopt(self, *_option: object) -> None: ...

    def shutdown(self, _how: int) -> None: ...


class _Dialled(Bounded):
    def __init__(self, line: _Line) -> None:
        self._line = line
        super().__init__("primary.example", 993)

    def _create_socket(self, timeout: float | None = None) -> Any:
        return self._line


def dial(script: bytes) -> Callable[..., BoundedImapClient]:
    """Connects to a server that says ``script``."""

    class Client(BoundedImapClient):  # type: ignore[misc]
        def _create_IMAP4(self) -> imaplib.IMAP4:
            return _Dialled(_Line(script))

    return Client


@cache
def _authority() -> str:
    """One is read in no time; those of a machine take a tenth of a second."""
    folder = Path(mkdtemp(prefix="xtramail-fuzz-"))
    atexit.register(rmtree, folder)
    return str(Authority(folder).file)


def _play(octets: bytes, rng: Random) -> Iterator[None]:
    mechanism = rng.choice(("password", "plain", "xoauth2"))
    access = ImapAccess(host="primary.example", secret=Secret("s"), mechanism=mechanism, ca=_authority())  # type: ignore[arg-type]
    visit = Visit(access, "ann@example.test", connect=1.0, answer=1.0, dial=dial(octets))
    steps: list[Callable[[], object]] = [
        lambda: visit.holds(visit.sent_mailbox(), "Message-ID", _IDS[0]),
        lambda: visit.found(_IDS),
        lambda: visit.found(["by mx with id 7"], "Received"),
        lambda: visit.remove(_IDS),
        lambda: visit.append(visit.sent_mailbox(), b"Subject: x\r\n\r\nx\r\n", 1_800_000_000.0),
    ]
    rng.shuffle(steps)
    try:
        for step in [visit.open, *steps]:
            step()
            yield
    except VisitFailed as failed:
        assert failed.text.isprintable() and len(failed.text) < 1000, failed.text
    finally:
        visit.close()
    yield


_OPENED = (
    b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SPECIAL-USE NAMESPACE UIDPLUS] hi\r\n* CAPABILITY IMAP4rev1 "
    b"AUTH=PLAIN AUTH=XOAUTH2"
    b" SPECIAL-USE NAMESPACE UIDPLUS\r\nTAG OK done\r\n+ \r\nTAG OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n"
)
_LISTED = b'* LIST (\\HasNoChildren) "/" "INBOX"\r\n* LIST (\\Sent) "/" {4}\r\nSent\r\nTAG OK done\r\n'
_LOOKED = (
    b"* 3 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* FLAGS (\\Seen)\r\nTAG OK [READ-ONLY] ok\r\n* CAPABILITY "
    b"IMAP4rev1\r\nTAG OK c\r\n* SEARCH 1 2 (MODSEQ 7)\r\nTAG OK done\r\n"
    b"* 1 FETCH (UID 1 BODY[HEADER.FIELDS (MESSAGE-ID)] {32}\r\nMessage-ID: <1@example.test>\r\n\r\n)\r\n"
    b'* 2 FETCH (UID 2 BODY[HEADER.FIELDS ("Message-ID")] "")\r\nTAG OK done\r\n'
)
VISITS = (
    Target(
        name="imap-visit",
        play=_play,
        seeds=(
            _OPENED + _LISTED + _LOOKED + _LOOKED.replace(b"* CAPABILITY IMAP4rev1\r\nTAG OK c\r\n", b"") * 3,
            _OPENED + _LISTED + _LOOKED * 2 + _LISTED + _LOOKED,
            _OPENED + _LISTED + b"+ go\r\nTAG OK [APPENDUID 1 2] kept\r\n" + _LISTED + _LOOKED,
            _OPENED + _LOOKED + b"TAG NO [TRYCREATE] no\r\nTAG BAD x\r\n* BYE gone\r\n",
            b"* PREAUTH hi\r\n* CAPABILITY IMAP4\r\nTAG OK\r\n",
            b"* BYE no\r\n",
        ),
        words=(
            b"TAG OK done\r\n",
            b"TAG NO x\r\n",
            b"* ",
            b"+ \r\n",
            b"(",
            b")",
            b"((((",
            b'"',
            b"\\",
            b"{5}\r\n",
            b"{99999999999}\r\n",
            b"{0}\r\n",
            b"NIL",
            b"* SEARCH 1 2 3\r\n",
            b"* LIST () NIL x\r\n",
            b"* NAMESPACE NIL NIL NIL\r\n",
            b"&AOQ-",
            b"&",
            b"\xff",
            b"* 1 FETCH (UID 1)\r\n",
            b"* 1 EXPUNGE\r\n",
            b"[CAPABILITY ",
            b"]",
            b"* SEARCH 99999999999999999999999\r\n",
            b"\x1b[2J",
        ),
        runs=300,
        timed=False,
    ),
)
