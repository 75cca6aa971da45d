"""The command lines a client writes: MAIL and RCPT with the parameters this server understands.

Owns their form, and what a message needs of the server; not when they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from xtramail.model.address import Address
from xtramail.model.envelope import BodyType, Envelope, ForwardPath, ReversePath
from xtramail.model.outcome import Reply
from xtramail.wire.errors import MisuseError

Extensions = Mapping[str, str]

_FORBIDDEN = frozenset(chr(code) for code in (*range(33), 127)) | frozenset("<>")


def parse_extensions(reply: Reply) -> dict[str, str]:
    """Keyword (upper case) to parameters, out of a reply to EHLO (RFC 5321 §4.1.1.1)."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        # Old servers write ``AUTH=LOGIN``.
        keyword, _, parameters = line.strip().replace("AUTH=", "AUTH ", 1).partition(" ")
        if keyword:
            known = found.get(keyword.upper(), "")
            found[keyword.upper()] = f"{known} {parameters.strip()}".strip()
    return found


def local_refusal(envelope: Envelope, size: int, extensions: Extensions) -> Reply | None:
    """Why this server need not be asked, or None: SMTPUTF8 is needed (RFC 6531 §3.2), or its SIZE is less (RFC 1870
    §6).
    """
    if _needs_smtputf8(envelope) and "SMTPUTF8" not in extensions:
        return Reply.of(550, "5.6.7", "the message needs SMTPUTF8 and the server does not offer it")
    most = extensions.get("SIZE", "")
    if most.isascii() and most.isdigit() and len(most) <= 10 and 0 < int(most) < size:
        return Reply.of(552, "5.3.4", f"the message has {size} octets and the server takes {int(most)}")
    return None


def mail_line(envelope: Envelope, size: int, extensions: Extensions) -> bytes:
    """MAIL FROM with SIZE, BODY, SMTPUTF8, RET and ENVID where they are offered; CRLF included."""
    path = envelope.reverse_path
    utf8 = _needs_smtputf8(envelope)
    words = [f"MAIL FROM:<{_path(path.address, utf8=utf8) if path.address else ''}>"]
    if "SIZE" in extensions:
        words.append(f"SIZE={size}")
    if path.body is BodyType.EIGHT_BIT and "8BITMIME" in extensions:
        words.append("BODY=8BITMIME")
    if utf8:
        words.append("SMTPUTF8")
    words.extend(_dsn_of_mail(path) if "DSN" in extensions else ())
    return _line(words)


def rcpt_line(path: ForwardPath, extensions: Extensions, *, utf8: bool) -> bytes:
    """RCPT TO with NOTIFY and ORCPT where DSN is offered; CRLF included."""
    words = [f"RCPT TO:<{_path(path.address, utf8=utf8)}>"]
    if "DSN" in extensions:
        if path.notify:
            words.append("NOTIFY=" + ",".join(path.notify))
        if path.orcpt is not None and (utf8 or path.orcpt.isascii()):
            words.append(f"ORCPT={path.orcpt}")
    return _line(words)


def envelope_lines(envelope: Envelope, size: int, extensions: Extensions) -> tuple[bytes, list[bytes]]:
    """The MAIL line, and one RCPT line for each forward-path."""
    utf8 = _needs_smtputf8(envelope)
    recipients = [rcpt_line(path, extensions, utf8=utf8) for path in envelope.forward_paths]
    return mail_line(envelope, size, extensions), recipients


def _needs_smtputf8(envelope: Envelope) -> bool:
    """The sender said so, or a local part has no ASCII form (a domain has one)."""
    addresses = [path.address for path in envelope.forward_paths]
    if envelope.reverse_path.address is not None:
        addresses.append(envelope.reverse_path.address)
    return envelope.reverse_path.smtputf8 or not all(address.local.isascii() for address in addresses)


def _path(address: Address, *, utf8: bool) -> str:
    if not address.domain:
        return address.local
    if not utf8 and not address.domain.isascii():
        address = Address(local=address.local, domain=address.domain_key)
    # The local part is quoted where it needs to be; nothing but a parser of ours stands before the domain.
    if any(c in _FORBIDDEN for c in address.domain) or any(c in "\r\n\0" for c in address.local):
        raise MisuseError("an address that cannot stand in a command")
    return str(address)


def _dsn_of_mail(path: ReversePath) -> list[str]:
    words = [f"RET={path.ret}"] if path.ret is not None else []
    return words + ([f"ENVID={path.envid}"] if path.envid is not None else [])


def _line(words: list[str]) -> bytes:
    return " ".join(words).encode() + b"\r\n"
