"""What a name server says, as values. Names are ASCII, in lower case, without the dot at their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MailHost:
    """MX. ``host`` is empty for the null MX (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Address:
    """A or AAAA."""

    address: str


@dataclass(frozen=True, slots=True)
class Text:
    """TXT: its strings in one, as RFC 7208 §3.3 and RFC 8461 §3.1 read it."""

    text: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """PTR or CNAME."""

    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """SRV (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """RFC 6698 §2.1."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def usable(self) -> bool:
        """Whether mail goes by it: RFC 7672 §3.1.3 leaves 0 and 1 out, and what nobody knows says nothing."""
        lengths = {0: None, 1: 32, 2: 64}
        if self.usage not in (2, 3) or self.selector not in (0, 1) or self.matching not in lengths:
            return False
        return len(self.data) == lengths[self.matching] if self.matching else bool(self.data)

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()[:16]}..."


Record: TypeAlias = MailHost | Address | Text | Pointer | Place | Tlsa


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``exists`` False: there is no such name. Without ``records`` the name has none of that kind."""

    name: str
    """The one that was asked for."""
    real: str
    """The one that it led to, over aliases (CNAME)."""
    exists: bool = True
    secure: bool = False
    """All of it, that something is not there included, was found good by the name server (AD, RFC 4035 §3.2.3)."""
    ttl: int = 0
    """Seconds for which it holds."""
    records: tuple[Record, ...] = ()

    def of(self, kind: type[T]) -> tuple[T, ...]:
        return tuple(record for record in self.records if isinstance(record, kind))

    @property
    def is_alias(self) -> bool:
        return self.real != self.name
