"""What other hosts publish and say of themselves, and what stands in addresses: DNS, policies, keys, logins, SRS."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from random import Random

import dns.flags
import dns.message
import dns.rrset

from tests.fuzz.target import Play, Target, pieces
from xtramail.app.doctor.spf import Spf, SpfFault, records_of
from xtramail.directory.keyring import Keyring
from xtramail.directory.rewriting import Rewriting
from xtramail.model.address import Address, domain_key, key_of
from xtramail.model.clock import SetClock, day_of
from xtramail.model.errors import BadInput
from xtramail.model.pending import Pending, drive
from xtramail.store.memory_engine import MemoryEngine
from xtramail.wire import sasl
from xtramail.wire.dkim.key_record import record_fault
from xtramail.wire.dns.answer import Address as Host
from xtramail.wire.dns.answer import Answer, MailHost, Record, Text
from xtramail.wire.dns.packets import BadName, Truncated, Unanswered, answer, plain_name, question
from xtramail.wire.errors import ProtocolError
from xtramail.wire.imap.client_masks import read_client_mask, show_client_mask
from xtramail.wire.imap.dates import parse_date, parse_date_time
from xtramail.wire.imap.deflate import STEP, BrokenStream, Inflow, Outflow
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.utf7 import decode_mailbox, encode_mailbox
from xtramail.wire.mta_sts import policy_id, read_policy
from xtramail.wire.smtp.replies import ReplyReader


def _declared(call: Callable[[bytes], object], *errors: type[Exception]) -> Play:
    """One call, which may raise nothing but ``errors``."""

    def play(octets: bytes, _rng: Random) -> Iterator[None]:
        try:
            call(octets)
        except errors:
            pass
        yield

    return play


def _policy(octets: bytes) -> None:
    policy_id(tuple(octets.decode("utf-8", "replace").split("|")))
    found = read_policy(octets)
    assert found.hosts or found.mode == "none"
    for host in ("mx.example.org", "", ".", "a.b.mx.example.org"):
        found.allows(host)


def _key(octets: bytes) -> None:
    told = record_fault(octets.decode("utf-8", "replace").split("|"), "rsa-sha256", b"abc")
    assert told.isprintable()


ASKED = question("far.example", "MX", 4711)


def _packet(*records: tuple[str, str, str]) -> bytes:
    made = dns.message.make_response(dns.message.from_wire(ASKED))
    made.flags |= dns.flags.AD
    for name, kind, text in records:
        made.answer.append(dns.rrset.from_text(name, 300, "IN", kind, text))
    return made.to_wire()


class _Names:
    """Answers every question with the texts of one input."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self.asked = 0

    def ask(self, name: str, kind: str) -> Pending[Answer]:
        self.asked += 1
        assert self.asked < 500
        found: tuple[Record, ...] = ()
        if kind == "TXT":
            found = (Text(self._texts[self.asked % len(self._texts)]),)
        elif kind == "MX":
            found = tuple(MailHost(10, f"mx{number}.example") for number in range(50))
        elif kind == "A":
            found = (Host("192.0.2.1"),)
        return Pending.of(Answer(name=name, real=name, exists=True, secure=False, ttl=60, records=found))


def _spf(octets: bytes, _rng: Random) -> Iterator[None]:
    texts = octets.decode("utf-8", "replace").split("|")
    records_of(tuple(texts))
    for address in ("192.0.2.77", "2001:db8::1"):
        try:
            assert drive(Spf(_Names(texts), address).result("far.example")).isalpha()
        except SpfFault as fault:
            assert str(fault).isprintable() and len(str(fault)) < 600
        yield


def _name(octets: bytes) -> None:
    text = octets.decode("utf-8", "surrogateescape")
    try:
        assert question(plain_name(text), "A", 1)
    finally:
        domain_key(text)


def _address(octets: bytes) -> None:
    text = octets.decode("utf-8", "surrogateescape")
    key_of(text)
    found = Address.parse(text)
    assert Address.parse(str(found)) == found
    assert key_of(str(found)) == found.key


def _sasl(octets: bytes, rng: Random) -> Iterator[None]:
    """PLAIN and LOGIN, line by line."""
    for mechanism in sasl.MECHANISMS:
        lines = octets.split(b"\n")
        exchange = sasl.SaslServerExchange(mechanism)
        try:
            step = exchange.start(lines.pop(0) if rng.random() < 0.5 else None)
            while lines and isinstance(step, sasl.Challenge):
                step = exchange.respond(lines.pop(0))
            if isinstance(step, sasl.Credentials):
                assert step.authcid and step.authcid.encode()
        except sasl.SaslError as error:
            assert error.text.isascii()
        yield


_SRS_KEYS = Keyring(keys={"k": b"k" * 32}, current="k")


def _srs(octets: bytes, _rng: Random) -> Iterator[None]:
    """Nobody else's sender is found in what was not made here; what was made is found again."""
    rewriting = Rewriting(engine=MemoryEngine(), keyring=_SRS_KEYS, clock=SetClock())
    local = octets.decode("utf-8", "replace")
    address = Address(local=local, domain="ours.example")
    rewriting.has_form(address)
    found = rewriting.sender(address, "ours.example")
    assert found is None or local[5:].lower().startswith(_made_by_us())
    yield
    try:
        sender = Address.parse(local)
    except BadInput:
        return
    made = rewriting.rewrite(sender, "ours.example", SetClock().now())
    assert len(made.address.rpartition("@")[0].encode()) <= 64
    Address.parse(made.address)
    yield


def _made_by_us() -> tuple[str, ...]:
    return tuple(one.decode().partition("@")[0][5:14].lower() for one in _SRS_SEEDS[:2])


def _srs_seeds() -> tuple[bytes, ...]:
    rewriting = Rewriting(engine=MemoryEngine(), keyring=_SRS_KEYS, clock=SetClock())
    senders = ("joe@sender.example", "SRS0=abcd=xy=o.example=joe@first.example", "j" * 70 + "@sender.example")
    made = [rewriting.rewrite(Address.parse(one), "o", SetClock().now()).address.partition("@")[0] for one in senders]
    assert day_of(SetClock().now()) > 0
    return tuple(one.encode() for one in made) + tuple(one.encode() for one in senders)


_SRS_SEEDS = _srs_seeds()


def _imap_words(octets: bytes, _rng: Random) -> Iterator[None]:
    """Names, dates and masks of IMAP: round trips, or the error that is declared."""
    try:
        name = decode_mailbox(octets)
        assert encode_mailbox(name) == octets
    except ValueError:
        pass
    yield
    text = octets.decode("utf-8", "replace")
    assert decode_mailbox(encode_mailbox(text)) == text
    yield
    for read in (parse_date, parse_date_time):
        try:
            read(octets)
        except BadSyntax:
            pass
    try:
        mask = read_client_mask(text)
        assert read_client_mask(show_client_mask(mask)) == mask
    except (BadInput, ValueError):
        pass
    yield


def _deflate(octets: bytes, rng: Random) -> Iterator[None]:
    """Any octets inflate in bounded steps or break the stream; what we deflate comes out as it went in."""
    inflow = Inflow()
    try:
        for piece in pieces(octets, rng):
            inflow.feed(piece)
            while taken := inflow.take():
                assert len(taken) <= STEP
                yield
    except BrokenStream:
        pass
    outflow, inflow = Outflow(), Inflow()
    out = b""
    for piece in pieces(octets, rng):
        inflow.feed(outflow.deflated(piece))
        yield
        while taken := inflow.take():
            out += taken
    assert out == octets
    yield


def _replies(octets: bytes, rng: Random) -> Iterator[None]:
    """A primary's replies are read the same however they are cut, with nothing in them that could act on a log."""
    whole, cut = ReplyReader(), ReplyReader()
    whole.feed(octets)
    told = _all(whole)
    yield
    again: list[str] = []
    for piece in pieces(octets, rng):
        if not again or not again[-1].startswith("!"):
            cut.feed(piece)
            again += _all(cut)
        yield
    assert told == again


def _all(reader: ReplyReader) -> list[str]:
    told: list[str] = []
    try:
        while (reply := reader.next()) is not None:
            assert 200 <= reply.code <= 599
            told.append(repr(reply))
    except ProtocolError as error:
        told.append("!" + error.text)
    return told


_STS = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
_TXT = b"v=STSv1; id=20160831085700Z;"
_SPF = b"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:x.example/24//64 mx include:_spf.example ?exists:%{i} -all"

RECORDS = (
    Target(
        name="sts",
        play=_declared(_policy, ProtocolError),
        seeds=(_STS, _TXT, _STS.replace(b"\r", b"")),
        words=(b"mx: *.", b"mode: none", b"max_age: ", b"version: ", b"|v=STSv1;", b" id=", b":", b"\r", b"\n"),
    ),
    Target(
        name="dkim-key",
        play=_declared(_key),
        seeds=(b"v=DKIM1; k=rsa; p=YWJj", b"k=rsa; h=sha256:sha1; s=*; p=|p="),
        words=(b"p=", b";", b"v=", b"k=", b"h=", b"s=email", b"|", b"="),
    ),
    Target(
        name="spf",
        play=_spf,
        seeds=(_SPF, b"v=spf1 redirect=far.example", b"v=spf1 mx mx mx a a ptr ~all|v=spf1 +a//128"),
        words=(
            b"include:",
            b"redirect=",
            b" a/",
            b" mx//",
            b"|v=spf1 ",
            b"ip4:",
            b"ip6:",
            b"all",
            b"exists:%{ir}",
            b"//",
            b"/33",
        ),
    ),
    Target(
        name="dns",
        play=_declared(lambda octets: answer(octets, ASKED), ProtocolError, Truncated, Unanswered),
        seeds=(
            _packet(("far.example.", "MX", "10 mx.example.")),
            _packet(("far.example.", "CNAME", "b.example."), ("b.example.", "MX", "0 .")),
            _packet(("far.example.", "TXT", '"a" "b"'), ("far.example.", "TLSA", "3 1 1 " + "ab" * 32)),
            _packet(("far.example.", "CNAME", "far.example."), ("far.example.", "SRV", "1 2 3 x.example.")),
        ),
        words=(
            b"\xc0\x0c",
            b"\xc0\xff",
            b"\x00",
            b"\x3f",
            b"\x00\x0f\x00\x01",
            b"\x00\x10\x00\x01",
            b"\x00\x05\x00\x01",
            b"\x00\x29",
            b"\x00\x2e",
            b"\x00\x32",
            b"\xff\xff",
            b"\x40\x01",
        ),
        runs=600,
    ),
    Target(
        name="names",
        play=_declared(_name, BadName, BadInput),
        seeds=(
            b"mail.example.org",
            "bücher.例え".encode(),
            b"xn--bcher-kva.example",
            b"[127.0.0.1]",
            b"a" * 63 + b".b",
        ),
        words=(
            b"xn--",
            b".",
            b"-",
            b"\\065",
            b"\\",
            "\u0640".encode(),
            "\u200d".encode(),
            "\u0660".encode(),
            "\ufe0f".encode(),
            b"[",
            b"]",
        ),
        runs=500,
    ),
    Target(
        name="addresses",
        play=_declared(_address, BadInput),
        seeds=(b"ann@example.org", b'"a \\" b"@x.example', "ä@bü.example".encode(), b"a@[IPv6:::1]"),
        words=(b"@", b'"', b"\\", b"..", b" ", "\u0130".encode(), "\ufb03".encode(), b"xn--"),
        runs=800,
    ),
    Target(
        name="sasl",
        play=_sasl,
        seeds=(
            base64.b64encode(b"\0ann\0right"),
            base64.b64encode(b"ann") + b"\n" + base64.b64encode(b"right"),
            base64.b64encode(b"ann\0ann\0x"),
            b"=\n*",
        ),
        words=(b"=", b"*", b"\n", b"AA==", b"AAAA", b"\0"),
    ),
    Target(
        name="srs",
        play=_srs,
        seeds=_SRS_SEEDS,
        words=(b"SRS0=", b"SRS1=", b"SRSX=", b"=", b"==", b"+", b"-", b"@", "ß".encode()),
        runs=500,
    ),
    Target(
        name="imap-words",
        play=_imap_words,
        seeds=(
            b"INBOX/&AOQ-/x",
            b"&-",
            b"&U,BTFw-&ZeVnLIqe-",
            b"1-Jan-2026",
            b"01-Jan-2026 10:00:00 +0100",
            b"name~Outlook version=16: IDLE, MOVE",
        ),
        words=(b"&", b"-", b"&2D3cpQ-", b"&2D0-", b"&AAAA-", b","),
        runs=800,
    ),
    Target(
        name="deflate",
        play=_deflate,
        seeds=(Outflow().deflated(b"a NOOP\r\n" * 100), Outflow().deflated(bytes(400_000)), b"a NOOP\r\n"),
        runs=150,
    ),
    Target(
        name="replies",
        play=_replies,
        seeds=(b"220 x\r\n250-a\r\n250-b c\r\n250 d\r\n", b"421 4.3.2 bye\r\n550-5.1.1 a\r\n550 5.1.1 b\r\n"),
        words=(b"250 ", b"250-", b"5.1.1 ", b"\r\n", b"599 ", b"99", b"\x1b[2J", b"600 ", b"-"),
        runs=600,
    ),
)
