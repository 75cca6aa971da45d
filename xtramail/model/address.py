"""Mail addresses, compared as mail people expect: the local part without case, the domain as A-labels without case.

Owns parsing of an address as a person or the command line writes it, and the key under which it is stored. The grammar
of paths on the wire (RFC 5321 §4.1.2) is ``wire/smtp/grammar``'s.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from xtramail.model.errors import BadInput

MAX_LOCAL_OCTETS = 255
# atext, "." and everything beyond ASCII (RFC 5321 §4.1.2, RFC 6531 §3.3)
_UNQUOTED = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\x80-\U0010ffff]*")
# quoted-string without its folding white space (RFC 5321 §4.1.2)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Underscores occur in names that are served in practice, so they pass.
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


@lru_cache(maxsize=2_048)
def domain_key(domain: str) -> str:
    """Lower-case A-labels without a trailing dot; BadInput when it is not a domain name (RFC 1035 §2.3.4, RFC 5890)."""
    name = domain.strip().rstrip(".")
    if name.startswith("[") and name.endswith("]"):
        return name.lower()
    try:
        ascii_name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadInput(f"domain {domain!r}: {error}; write it as example.org") from None
    labels = ascii_name.split(".")
    for label in labels:
        if _LABEL.fullmatch(label) is None:
            raise BadInput(f"domain {domain!r}: not a domain name; write it as example.org")
    if len(ascii_name) > 253:
        raise BadInput(f"domain {domain!r}: longer than 253 characters")
    return ascii_name.lower()


@lru_cache(maxsize=2_048)
def key_of(text: str) -> str:
    """``Address.key`` of an address as it came from anywhere; what is none stands for itself, without case."""
    try:
        return Address.parse(text).key
    except BadInput:
        return text.casefold()


@lru_cache(maxsize=2_048)
def _is_plain(local: str) -> bool:
    """Whether it needs no quotes."""
    return _UNQUOTED.fullmatch(local) is not None and ".." not in f".{local}."


@dataclass(frozen=True, slots=True)
class Address:
    """``local`` unquoted and in the sender's case, ``domain`` as it came (U- or A-labels)."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """``ann@example.org`` or ``"odd local"@example.org``; BadInput names what is wrong."""
        text = text.strip()
        local, at, domain = text.rpartition("@")
        if not at or not local or not domain:
            raise BadInput(f"address {text!r}: write it as name@example.org")
        quoted = _QUOTED.fullmatch(local)
        if quoted is not None:
            local = _PAIR.sub(r"\1", quoted.group(1))
        elif not _is_plain(local):
            raise BadInput(f"address {text!r}: the part before @ has characters that need quotes")
        try:
            octets = len(local.encode())
        except UnicodeEncodeError:
            # A command line that is no UTF-8 comes as half characters.
            raise BadInput(f"address {text!r}: the part before @ is not UTF-8 text") from None
        # RFC 5321 §4.5.3.1.1 says 64, but rewritten senders (SRS) and reply tokens are longer and must be answered.
        if octets > MAX_LOCAL_OCTETS or _CONTROL.search(local) is not None:
            raise BadInput(f"address {text!r}: the part before @ is longer than 255 octets or has control characters")
        domain_key(domain)
        return cls(local=local, domain=domain)

    @property
    def local_key(self) -> str:
        """Case folded, NFC: the same mailbox however it was typed (canonical caseless matching, Unicode D145)."""
        if self.local.isascii():
            return self.local.lower()
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", self.local).casefold())

    @property
    def domain_key(self) -> str:
        return domain_key(self.domain)

    @property
    def key(self) -> str:
        """Equal for addresses that name the same mailbox."""
        return f"{self.local_key}@{self.domain_key}"

    def __str__(self) -> str:
        """As it goes on the wire: quoted where RFC 5321 §4.1.2 needs it."""
        if _is_plain(self.local):
            return f"{self.local}@{self.domain}"
        quoted = self.local.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"@{self.domain}'
