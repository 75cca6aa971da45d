"""The grammar of SMTP commands (RFC 5321 §4.1): verbs, paths, parameters.

Owns turning one command line into values of ``model/envelope``; not the order of commands, and not policy. No pattern
here backtracks: names are checked by deleting what is allowed from them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from xtramail.model.address import Address, domain_key
from xtramail.model.envelope import BodyType, ForwardPath, ReversePath
from xtramail.model.errors import BadInput
from xtramail.model.outcome import Reply
from xtramail.wire.smtp import codes

MOST_PATH = 256
"""Octets of a path with its brackets (RFC 5321 §4.5.3.1.3). The 64 of a local part are not enforced: SRS and
reply-token addresses exceed them every day."""

# atext (RFC 5322 §3.2.3) and the dot; octets above 127 are UTF8-non-ascii (RFC 6531 §3.3), allowed with SMTPUTF8 only.
_LOCAL = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~." + bytes(range(128, 256))
# let-dig, hyphen, and the underscore that real hosts use.
_DOMAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
_KEYWORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
# xchar (RFC 3461 §4): printable ASCII except "+" and "="; "+" starts two upper-case hex digits.
_XCHAR = bytes(octet for octet in range(33, 127) if octet not in b"+=")
_HELLO_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-[]")

# Path = "<" [ A-d-l ":" ] Mailbox ">" without quoted strings; the rest takes the slow way.
_PLAIN_PATH = re.compile(rb'<([^"<>\\\x00-\x20\x7f]*)>')
# qtextSMTP / quoted-pairSMTP (RFC 5321 §4.1.2), one octet or pair at a time.
_QUOTED_PATH = re.compile(
    rb'<((?:@[^"<>\\\x00-\x20\x7f:]*:)?'
    rb'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"'
    rb'@[^"<>\\\x00-\x20\x7f]*)>'
)


class BadCommand(Exception):
    """A command that is refused; ``reply`` says why. The connection ends when there is a reason for ``closing`` it."""

    def __init__(self, reply: Reply, closing: str = "") -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.closing = closing


@dataclass(frozen=True, slots=True)
class _Parameter:
    keyword: bytes
    value: bytes | None


def split_command(line: bytes) -> tuple[str, bytes]:
    """Upper-case verb, and its arguments without outer spaces; outside ASCII the verb has U+FFFD."""
    verb, _, rest = line.partition(b" ")
    return verb.decode("ascii", "replace").upper(), rest.strip(b" ")


def parse_hello(arguments: bytes) -> str:
    """The peer's name, made safe for a trace header. BadCommand when there is none.

    Hosts give names with underscores, literals, blanks and worse; only an absent one is refused.
    """
    words = arguments.decode("utf-8", "replace").split()
    if not words or len(words[0]) > 255:
        raise BadCommand(codes.HELLO_NAME)
    return "".join(c if c in _HELLO_SAFE else "?" for c in words[0])


def parse_mail(arguments: bytes) -> ReversePath:
    """``FROM:<path> [parameters]``. BadCommand with 501, 550 (route, SMTPUTF8) or 555."""
    path, rest = _split_path(arguments, b"FROM:", codes.MAIL_SYNTAX, codes.BAD_SENDER)
    size: int | None = None
    body = BodyType.SEVEN_BIT
    smtputf8 = False
    ret: str | None = None
    envid: str | None = None
    for parameter in _parameters(rest):
        value = parameter.value
        match parameter.keyword:
            case b"SIZE":
                size = _size(value)
            case b"BODY":
                body = _body(value)
            case b"SMTPUTF8" if value is None:
                smtputf8 = True
            case b"RET" if value is not None and value.upper() in (b"FULL", b"HDRS"):
                ret = value.decode("ascii").upper()
            case b"ENVID" if value is not None and len(value) <= 100:
                envid = _xtext(value)
            case b"AUTH" if value is not None and (value == b"<>" or _xtext(value)):
                # RFC 4954 §5: whom an untrusted peer names here counts for nothing.
                pass
            case b"SMTPUTF8" | b"RET" | b"ENVID" | b"AUTH":
                raise BadCommand(codes.BAD_PARAMETER)
            case _:
                raise BadCommand(codes.UNKNOWN_PARAMETER)
    address = None
    if path:
        address = _mailbox(path, codes.BAD_SENDER, codes.NEEDS_SMTPUTF8_SENDER, smtputf8=smtputf8)
    return ReversePath(address=address, size=size, body=body, smtputf8=smtputf8, ret=ret, envid=envid)


def parse_rcpt(arguments: bytes, *, smtputf8: bool) -> ForwardPath:
    """``TO:<path> [parameters]``; ``smtputf8`` is what MAIL said. BadCommand with 501, 550, 553 or 555."""
    path, rest = _split_path(arguments, b"TO:", codes.RCPT_SYNTAX, codes.BAD_RECIPIENT)
    notify: tuple[str, ...] = ()
    orcpt: str | None = None
    for parameter in _parameters(rest):
        value = parameter.value
        match parameter.keyword:
            case b"NOTIFY" if value is not None:
                notify = _notify(value)
            case b"ORCPT" if value is not None and len(value) <= 500:
                orcpt = _orcpt(value, smtputf8=smtputf8)
            case b"NOTIFY" | b"ORCPT":
                raise BadCommand(codes.BAD_PARAMETER)
            case _:
                raise BadCommand(codes.UNKNOWN_PARAMETER)
    if path.lower() == b"postmaster":
        return ForwardPath(address=Address(local="postmaster", domain=""), notify=notify, orcpt=orcpt)
    address = _mailbox(path, codes.BAD_RECIPIENT, codes.NEEDS_SMTPUTF8_RECIPIENT, smtputf8=smtputf8)
    return ForwardPath(address=address, notify=notify, orcpt=orcpt)


def parse_bdat(arguments: bytes) -> tuple[int, bool]:
    """``chunk-size [LAST]`` (RFC 3030 §2): octets, and whether it is the last."""
    words = arguments.split()
    last = [word.upper() for word in words[1:]]
    if not words or not words[0].isdigit() or len(words[0]) > 10 or last not in ([], [b"LAST"]):
        raise BadCommand(codes.BDAT_SYNTAX)
    return int(words[0]), len(words) == 2


def _split_path(arguments: bytes, keyword: bytes, syntax: Reply, malformed: Reply) -> tuple[bytes, bytes]:
    """What is between the brackets, and the parameters behind them."""
    if arguments[: len(keyword)].upper() != keyword:
        raise BadCommand(syntax)
    # Outlook writes ``MAIL FROM: <a@b>``.
    text = arguments[len(keyword) :].lstrip(b" ")
    match = _PLAIN_PATH.match(text) or _QUOTED_PATH.match(text)
    if match is None or match.end() > MOST_PATH:
        raise BadCommand(malformed)
    rest = text[match.end() :]
    if rest and not rest.startswith(b" "):
        raise BadCommand(malformed)
    return match.group(1), rest


def _parameters(rest: bytes) -> list[_Parameter]:
    """esmtp-param = esmtp-keyword ["=" esmtp-value] (RFC 5321 §4.1.2); none twice."""
    found: list[_Parameter] = []
    seen: set[bytes] = set()
    for word in rest.split():
        name, equals, value = word.partition(b"=")
        keyword = name.upper()
        if not keyword or keyword.translate(None, _KEYWORD) or keyword in seen or (equals and not value):
            raise BadCommand(codes.BAD_PARAMETER)
        seen.add(keyword)
        found.append(_Parameter(keyword=keyword, value=value if equals else None))
    return found


def _mailbox(path: bytes, malformed: Reply, needs_utf8: Reply, *, smtputf8: bool) -> Address:
    """Mailbox = Local-part "@" ( Domain / address-literal )."""
    if path.startswith(b"@"):
        # RFC 5321 appendix F.2 lets a server refuse them; they are only used to look for open relays.
        route, colon, mailbox = path.partition(b":")
        if not colon:
            raise BadCommand(malformed)
        _mailbox(mailbox, malformed, needs_utf8, smtputf8=smtputf8)
        raise BadCommand(codes.NO_SOURCE_ROUTE if all(hop.startswith(b"@") for hop in route.split(b",")) else malformed)
    local, at, domain = path.rpartition(b"@")
    if not at or not local or not domain:
        raise BadCommand(malformed)
    if local.startswith(b'"'):
        local = _unquoted(local)
        if not local:
            raise BadCommand(malformed)
    elif local.translate(None, _LOCAL) or b".." in b"." + local + b".":
        raise BadCommand(malformed)
    if not path.isascii() and not smtputf8:
        raise BadCommand(needs_utf8)
    try:
        return Address(local=local.decode(), domain=_domain(domain.decode()))
    except (UnicodeDecodeError, ValueError, BadInput):
        raise BadCommand(malformed) from None


def _unquoted(quoted: bytes) -> bytes:
    """Content of a quoted string whose form ``_QUOTED_PATH`` has checked."""
    if b"\\" not in quoted:
        return quoted[1:-1]
    out = bytearray()
    octets = iter(quoted[1:-1])
    for octet in octets:
        out.append(next(octets) if octet == 0x5C else octet)
    return bytes(out)


def _domain(name: str) -> str:
    """``name`` as it came, checked. ValueError or BadInput."""
    if name.startswith("["):
        if not name.endswith("]"):
            raise ValueError("address literal without its end")
        literal = name[1:-1]
        if literal[:5].lower() == "ipv6:":
            if "%" in literal:
                raise ValueError("address literal with a zone")
            ipaddress.IPv6Address(literal[5:])
        else:
            ipaddress.IPv4Address(literal)
        return name
    if name.endswith(".") or (name.isascii() and name.encode().translate(None, _DOMAIN)):
        raise ValueError("not a domain name")
    domain_key(name)
    return name


def _size(value: bytes | None) -> int:
    """size-value = 1*20DIGIT (RFC 1870 §5). More than 10 digits are more than any limit; they are not converted."""
    if value is None or not value.isdigit() or len(value) > 20:
        raise BadCommand(codes.BAD_PARAMETER)
    digits = value.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= 10 else 9_999_999_999


def _body(value: bytes | None) -> BodyType:
    try:
        return BodyType((value or b"").decode("ascii").upper())
    except (UnicodeDecodeError, ValueError):
        raise BadCommand(codes.BAD_PARAMETER) from None


def _xtext(value: bytes) -> str:
    """``value`` when it is xtext (RFC 3461 §4), else BadCommand."""
    pieces = value.split(b"+")
    for index, piece in enumerate(pieces):
        escape = piece[:2] if index else b""
        escaped = not index or (len(escape) == 2 and not escape.translate(None, b"0123456789ABCDEF"))
        if not escaped or piece.translate(None, _XCHAR):
            raise BadCommand(codes.BAD_PARAMETER)
    return value.decode("ascii")


def _notify(value: bytes) -> tuple[str, ...]:
    """NEVER alone, or some of SUCCESS, FAILURE, DELAY (RFC 3461 §4.1)."""
    words = value.upper().split(b",")
    known = all(word in (b"SUCCESS", b"FAILURE", b"DELAY") for word in words) and len(set(words)) == len(words)
    if words != [b"NEVER"] and not known:
        raise BadCommand(codes.BAD_PARAMETER)
    return tuple(word.decode("ascii") for word in words)


def _orcpt(value: bytes, *, smtputf8: bool) -> str:
    """addr-type ";" xtext (RFC 3461 §4.2), or ``utf-8;`` with UTF-8 in it (RFC 6533 §3)."""
    kind, semicolon, address = value.partition(b";")
    if not semicolon or not address or not kind or kind.upper().translate(None, _KEYWORD):
        raise BadCommand(codes.BAD_PARAMETER)
    if kind.upper() == b"UTF-8":
        try:
            text = value.decode("utf-8" if smtputf8 else "ascii")
        except UnicodeDecodeError:
            raise BadCommand(codes.BAD_PARAMETER) from None
        if any(ord(c) < 33 or ord(c) == 127 for c in text):
            raise BadCommand(codes.BAD_PARAMETER)
        return text
    _xtext(address)
    return value.decode("ascii")
