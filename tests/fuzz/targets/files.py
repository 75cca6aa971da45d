"""Files that people bring: the configuration, the directory as a document or as CSV, and mail of other servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.directory.state.office import Office, furnished
from tests.fuzz.target import Play, Target
from tests.mailbox.transfer.boxes import BOB, PLAIN, Boxes
from xtramail.app.config import ConfigError, load
from xtramail.directory.state.catalogue import BY_NAME
from xtramail.directory.state.csv_files import read_csv
from xtramail.directory.state.document import read_document
from xtramail.mailbox.transfer.entries import Format
from xtramail.model.errors import BadInput


def _config(octets: bytes, rng: Random) -> Iterator[None]:
    """Settings, or every mistake with its place; as a file, as options and as variables."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "xtramail.toml"
        path.write_bytes(octets)
        try:
            load(config=str(path), folder=Path(folder))
        except ConfigError as error:
            assert error.mistakes and all(one.text for one in error.mistakes)
        yield
        text = octets.decode("utf-8", "surrogateescape").replace("\0", "")
        lines = text.splitlines()[:5]
        environ = {
            f"XTRAMAIL_{name.strip().upper()}": value for name, _, value in (one.partition("=") for one in lines)
        }
        try:
            load(sets=lines, environ=environ, folder=Path(folder))
        except ConfigError:
            pass
        yield


@cache
def _office() -> Office:
    return furnished()


def _document(octets: bytes, rng: Random) -> Iterator[None]:
    """A plan, or what is wrong in lines for people; nothing is changed by looking."""
    office = _office()
    try:
        read = read_document(octets, BY_NAME)
        yield
        office.plan(read, remove_missing=rng.random() < 0.2)
    except BadInput as error:
        _shown(error)
    yield


def _csv(octets: bytes, rng: Random) -> Iterator[None]:
    office = _office()
    kind = rng.choice(sorted(BY_NAME))
    for name in (kind, "users"):
        try:
            read = read_csv(octets, BY_NAME[name])
            yield
            office.plan(read)
        except BadInput as error:
            _shown(error)
        yield


def _shown(error: BadInput) -> None:
    assert error.text and len(error.text) < 20_000
    assert all(line.isprintable() for line in error.text.splitlines()), error.text


def _mail(format: Format) -> Play:
    def play(octets: bytes, rng: Random) -> Iterator[None]:
        """Nothing is brought twice, and every message counted is there."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            if format == "maildir":
                (folder / "cur").mkdir()
                head, _, rest = octets.partition(b"\n")
                (folder / "cur" / (_file_name(head) or "1:2,S")).write_bytes(rest)
                (folder / rng.choice(("dovecot-keywords", "subscriptions", "dovecot-uidlist"))).write_bytes(rest)
            elif format == "eml":
                (folder / "x.eml").write_bytes(octets)
                (folder / "messages.jsonl").write_bytes(octets)
            else:
                (folder / "x.mbox").write_bytes(octets)
            boxes = Boxes()
            first = boxes.bring(folder, format)
            yield
            assert first.messages == sum(map(len, boxes.held(BOB).values()))
            again = boxes.bring(folder, format)
            yield
            assert (again.messages, again.already) == (0, first.messages)

    return play


def _file_name(octets: bytes) -> str:
    name = os.fsdecode(octets.replace(b"/", b"_").replace(b"\0", b"")[:200])
    return "" if name in (".", "..") else name


_TOML = (Path(__file__).parents[3] / "conf" / "xtramail.toml").read_bytes()
_BARE = b"\n".join(line.removeprefix(b"# ") for line in _TOML.splitlines() if b"=" in line or line.startswith(b"["))
_CSV = (
    b"address,quota,status,hidden,outside-address\r\nann@office.example,5GiB,active,,\r\n"
    b'\'=x@office.example,0,disabled,"IDLE MOVE",a@b.c\r\n'
)
_MBOX = (
    b"From a@b.example Thu Jan  1 12:00:00 2026\n"
    + PLAIN
    + b"\nFrom - Thu Jan  1 12:00:00 2026\nStatus: RO\n"
    + PLAIN
    + b">From x\n\n"
)


def _documents() -> tuple[bytes, ...]:
    office = _office()
    whole = office.export().encode()
    return (
        whole,
        b'{"format": 1,\n"users": [\n{"address": "bob@office.example", "quota": 5}\n]}',
        *(office.csv(name).encode() for name in ("users",)),
    )


def _sheets() -> tuple[bytes, ...]:
    return _CSV, *(_office().csv(name).encode() for name in sorted(BY_NAME))


FILES = (
    Target(
        name="config",
        play=_config,
        seeds=(_TOML, _BARE, *(_BARE[at : at + 300] for at in range(0, len(_BARE), 300))),
        words=(
            b"[server]\n",
            b"[listen]\n",
            b"[[",
            b"]]",
            b"=",
            b'"',
            b"'''",
            b'"""',
            b"\\u0000",
            b"\\ud800",
            b"[1, [2]]",
            b"{a = 1}",
            b"nan",
            b"inf",
            b"1979-05-27T07:32:00Z",
            b"0x7fffffffffffffffff",
            b"true",
            b'"1e9d"',
            b'"99999999999999999999 days"',
            b'"tcp:0"',
            b"[\n" * 200,
            b"{a=" * 200,
            b"a." * 500,
            b'"unix:/x"',
            b'"127.0.0.1:99999"',
            b'"[::1]:25"',
            b"-1",
            b"9" * 5000,
        ),
        runs=120,
    ),
    Target(
        name="state",
        play=_document,
        seeds=_documents(),
        words=(
            b"[",
            b"]",
            b"{",
            b"}",
            b",",
            b":",
            b'"',
            b"\\u0000",
            b"\\ud800",
            b"null",
            b"true",
            b"1e400",
            b"-0",
            b'"users": [',
            b'"domains": [',
            b'"address": "x@office.example"',
            b"[" * 500,
            b'{"a":' * 200,
            b"9" * 5000,
            b'"format": 1',
            b"\\u001b[2J",
            b"\xe2\x80\xae",
            b"NaN",
        ),
        runs=150,
        pumped=32 * 1024,
    ),
    Target(
        name="state-csv",
        play=_csv,
        seeds=_sheets(),
        words=(
            b",",
            b";",
            b"\t",
            b'"',
            b'""',
            b"\r",
            b"\n",
            b"=1+1",
            b"'=",
            b"settings.x",
            b"address",
            b"\0",
            b"\x1b",
            b"\xef\xbb\xbf",
            b"@",
            b"yes",
            b"5GiB",
            b'["a"]',
            b"[" * 300,
        ),
        runs=150,
        pumped=32 * 1024,
    ),
    Target(
        name="mbox",
        play=_mail("mbox"),
        timed=False,
        seeds=(_MBOX, _MBOX.replace(b"\n", b"\r\n")),
        words=(
            b"From ",
            b">From ",
            b"\nFrom ",
            b"\n\n",
            b"X-Keywords: ",
            b"Status: RO\n",
            b"X-IMAP: 1 2\n",
            b"X-Xtramail-Kept: lines=kept; end=open\n",
            b"X-UID: 1\n",
            b"\0",
        ),
        runs=100,
    ),
    Target(
        name="maildir",
        play=_mail("maildir"),
        timed=False,
        seeds=(b"1767268800.M1P2.host,S=9,W=10:2,FRS\n" + PLAIN, b"1:2,abc\n0 $Forwarded\n1 x\n" + PLAIN),
        words=(b":2,", b",S=", b"9" * 30, b"\n", b"\xff", b"..", b"0 ", b"26 x"),
        runs=100,
    ),
    Target(
        name="eml",
        play=_mail("eml"),
        timed=False,
        seeds=(PLAIN, b'{"file": "x.eml", "flags": ["\\\\Seen"], "received": "2026-01-01T00:00:00Z"}\n'),
        words=(b'{"file": "x.eml"}', b"\n", b"[" * 500, b"null", b"1e400", b"9" * 5000, b"\\ud800"),
        runs=100,
    ),
)
