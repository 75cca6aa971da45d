"""One question and its answer as DNS packets; dnspython takes them apart.

A question asks for DNSSEC (RFC 3225) and whether the data were found good (RFC 6840 §5.7). Whether a name server is to
be believed about that is for whoever chose it.
"""

from __future__ import annotations

import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from xtramail.wire.dns.answer import Address, Answer, MailHost, Place, Pointer, Record, Text, Tlsa
from xtramail.wire.errors import ProtocolError

PAYLOAD = 1232
"""Octets of UDP that pass everywhere (DNS flag day 2020); more comes over TCP."""
# ID, flags, and how many questions, answers, authorities and additions (RFC 1035 §4.1.1).
_HEAD = struct.Struct(">HHHHHH")
_KIND = struct.Struct(">HH")
# The root's name, OPT, payload, flags, no options (RFC 6891 §6.1.2).
_OPT = struct.Struct(">BHHIH")
_MOST_NAME = 1000
"""Characters of a name that is read; what is longer than 253 octets is none, but its letters may count for less."""
_TTL_NOTHING = 60
"""Seconds for which it is believed that something is not there, where nobody says how long."""


class BadName(ValueError):
    """It cannot be asked for."""


class Unanswered(Exception):
    """The name server says that it cannot tell (SERVFAIL, REFUSED, ...): never that something is not there."""


class Truncated(Exception):
    """To be asked again over TCP (RFC 7766)."""


def plain_name(name: str) -> str:
    """As answers have it; BadName for what is none."""
    return _read_name(name).to_text(omit_final_dot=True).lower()


def _read_name(name: str) -> dns.name.Name:
    if len(name) > _MOST_NAME:
        raise BadName(f"{name[:80]!r}... is no name for DNS: too long")
    try:
        return dns.name.from_text(name.rstrip(".") or ".", idna_codec=dns.name.IDNA_2008)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise BadName(f"{name!r} is no name for DNS: {type(error).__name__}") from None


def question(name: str, kind: str, number: int) -> bytes:
    """``kind`` as ``MX``; ``number`` u16, drawn by chance. BadName."""
    asked = _read_name(name).canonicalize().to_wire() or b""
    return (
        _HEAD.pack(number, dns.flags.RD | dns.flags.AD, 1, 0, 0, 1)
        + asked
        + _KIND.pack(dns.rdatatype.from_text(kind), dns.rdataclass.IN)
        + _OPT.pack(0, dns.rdatatype.OPT, PAYLOAD, dns.flags.DO, 0)
    )


def answer(octets: bytes, asked: bytes) -> Answer:
    """What ``octets`` say to the question ``asked``. ProtocolError when they are no answer to it; Unanswered;
    Truncated."""
    wanted = asked[_HEAD.size : -_OPT.size]
    said = octets[_HEAD.size : _HEAD.size + len(wanted)]
    # RFC 5452 §9.1: number and question; a name's case may be another.
    if len(octets) < _HEAD.size or octets[:2] != asked[:2] or not octets[2] & 0x80 or said.lower() != wanted.lower():
        raise ProtocolError("an answer to another question")
    try:
        reply = dns.message.from_wire(octets, ignore_trailing=False, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError, IndexError, OverflowError, EOFError) as error:
        raise ProtocolError(f"no DNS packet: {type(error).__name__}") from None
    if not isinstance(reply, dns.message.QueryMessage) or len(reply.question) != 1:
        raise ProtocolError("an answer to another question")
    if reply.flags & dns.flags.TC:
        raise Truncated
    code = reply.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise Unanswered(dns.rcode.to_text(code))
    try:
        chain = reply.resolve_chaining()
    except (dns.exception.DNSException, ValueError) as error:
        raise ProtocolError(f"an answer that leads nowhere: {type(error).__name__}") from None
    found = chain.answer
    ttl = min(chain.minimum_ttl, 1 << 31) if found is not None or reply.authority else _TTL_NOTHING
    return Answer(
        name=_name(reply.question[0].name),
        real=_name(chain.canonical_name),
        exists=code != dns.rcode.NXDOMAIN,
        secure=bool(reply.flags & dns.flags.AD),
        ttl=ttl,
        records=tuple(_records(found)) if found is not None else (),
    )


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _records(found: object) -> list[Record]:
    records: list[Record] = []
    for one in found:  # type: ignore[attr-defined]
        record = _record(one)
        if record is not None:
            records.append(record)
    return records


def _record(one: dns.rdata.Rdata) -> Record | None:
    data: object = one
    match dns.rdatatype.to_text(one.rdtype):
        case "MX":
            return MailHost(preference=data.preference, host=_name(data.exchange))  # type: ignore[attr-defined]
        case "A" | "AAAA":
            return Address(data.address)  # type: ignore[attr-defined]
        case "TXT":
            # What is no UTF-8 is no record of mail's; it must not stop the others.
            return Text(b"".join(data.strings).decode("utf-8", "replace"))  # type: ignore[attr-defined]
        case "PTR" | "CNAME":
            return Pointer(_name(data.target))  # type: ignore[attr-defined]
        case "SRV":
            return Place(data.priority, data.weight, data.port, _name(data.target))  # type: ignore[attr-defined]
        case "TLSA":
            return Tlsa(data.usage, data.selector, data.mtype, bytes(data.cert))  # type: ignore[attr-defined]
    return None
