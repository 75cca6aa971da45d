"""What a kind of object is to export and import: a row, its key, its rules, and how it is read and written.

A kind is one small class in ``kinds``; ``catalogue`` lists them in the order in which they need one another. A row is
what a document has of one object: no number that only this store knows. Owns no comparing (``plan``) and no commit
(``apply``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec.structs import FieldInfo

from xtramail.directory.desk import Desk
from xtramail.directory.keyring import Keyring
from xtramail.directory.open_mail import OpenMail
from xtramail.model.actor import Role
from xtramail.model.errors import BadInput, StoreBusy
from xtramail.store import domains, keys
from xtramail.store.aliases import served_as
from xtramail.store.engine import TxnFunction
from xtramail.store.records import DomainRow

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many are; from any thread."""
Hop = tuple[str, int]
"""Host and port that mail is handed to."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """One object. Fields are texts, whole numbers, yes or no, lists of texts, or texts by name; all but those of the
    key have the default of a new object."""


R = TypeVar("R", bound=Row)


@cache
def fields_of(row: type[Row]) -> tuple[FieldInfo, ...]:
    """In their order; worked out once, which takes longer than a row does."""
    return msgspec.structs.fields(row)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row: ``field`` as the file has it (empty: all of it), the rule and the next step."""

    place: str
    """``users, line 12``."""
    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.text}" if self.field else f"{self.place}: {self.text}"


@dataclass(slots=True)
class Says:
    """Collects what is wrong with the row at ``place``."""

    place: str
    faults: list[Fault]

    def wrong(self, name: str, text: str) -> None:
        """``name``: the field, as the row's class calls it; what its text says of itself first is not said twice."""
        shown = name.replace("_", "-")
        self.faults.append(Fault(self.place, shown, text.removeprefix(f"{shown}: ")))

    def made(self, name: str, make: Callable[[str], T], value: str, instead: T) -> T:
        """``make(value)``; where that is refused, ``instead``, and it is said."""
        try:
            return make(value)
        except BadInput as error:
            self.wrong(name, error.text)
        except ValueError as error:
            self.wrong(name, f"{value!r}: {error}")
        return instead


def any_hops(_hops: Iterable[Hop]) -> None:
    """Nobody knows of a host that mail must not be handed to."""


@dataclass(slots=True)
class World:
    """What rules may look at: the directory as it stands at a desk, and as it will be."""

    desk: Desk
    keyring: Keyring
    kinds: Mapping[str, Kind[Any]]
    domains: list[DomainRow]
    """Those that are looked at: all that the actor may see, or, to export it alone, one."""
    only: str = ""
    """Nothing but this domain may be changed."""
    retention_days: int = 30
    """Of a new domain that names none."""
    refuse_hops: Callable[[Iterable[Hop]], None] = any_hops
    """BadInput for the first that mail must not be handed to."""
    seen: int = 0
    """Number of the newest row of the audit log when this was made."""
    _standing: dict[str, dict[str, Row]] = field(default_factory=dict)
    _after: dict[str, dict[str, Row]] = field(default_factory=dict)
    _once: dict[str, Any] = field(default_factory=dict)

    def standing(self, kind: str) -> dict[str, Any]:
        """Every row of a kind, by key, as it stands."""
        if kind not in self._standing:
            one = self.kinds[kind]
            self._standing[kind] = {one.key(row): row for row in one.read(self)}
        return self._standing[kind]

    def after(self, kind: str) -> dict[str, Any]:
        """The same, as it will be."""
        return self._after[kind] if kind in self._after else self.standing(kind)

    def will_be(self, kind: str, rows: dict[str, Row]) -> None:
        self._after[kind] = rows

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What is made of all rows as they will be, for who asks of many: made when it is asked for first."""
        if name not in self._once:
            self._once[name] = make()
        value: T = self._once[name]
        return value

    def open_mail(self) -> OpenMail:
        """As the queue stands."""
        return self.once("open mail", lambda: self.desk.engine.read(keys.QUEUE, OpenMail))

    def serves(self, name: str) -> bool:
        """Whether a domain (its key) will be served, whoever may see it."""
        if name in self.standing("domains"):
            return name in self.after("domains")
        return name in self.after("domains") or self._served(name)

    def receives(self, name: str) -> bool:
        """Whether mail for a domain will be ours: its owner, whoever that is, has proved that it is his."""
        other = self.after("domain-aliases").get(name)
        key = name if other is None else other.domain
        if key in self.standing("domains") or key in self.after("domains"):
            row = self.after("domains").get(key)
            return row is not None and row.verified
        return served_as(self.desk.engine, name) is not None

    def check_hops(self, name: str, hops: Iterable[Hop], says: Says) -> None:
        """Say which of the hosts in the field ``name`` mail must not be handed to."""
        for hop in hops:
            try:
                self.refuse_hops((hop,))
            except BadInput as error:
                says.wrong(name, error.text)

    def _served(self, name: str) -> bool:
        return self.desk.engine.read(keys.domain_scope(name), domains.get_domain) is not None


class Work(ABC):
    """The transaction in the making, for kinds to add their parts to. Parts run in the order in which they came."""

    @property
    @abstractmethod
    def now(self) -> float:
        """Seconds since 1970."""

    @property
    @abstractmethod
    def keyring(self) -> Keyring: ...

    @property
    @abstractmethod
    def retention_days(self) -> int:
        """Of a new domain that names none."""

    @abstractmethod
    def part(self, scope: bytes, function: TxnFunction[Any]) -> None: ...

    @abstractmethod
    def at_end(self, scope: bytes, function: TxnFunction[Any]) -> None:
        """As :meth:`part`, behind those of all objects."""

    @abstractmethod
    def later(self, scope: bytes, function: TxnFunction[Any]) -> None:
        """What is done afterwards in small transactions, so that others wait less; where it is not, nothing is lost."""

    @abstractmethod
    def refuse_while_open(self, domain: str, address_key: str = "") -> None:
        """As ``open_mail.refuse_while_open``; for all in one look."""

    @abstractmethod
    def accounts_in(self, domain: str) -> list[int]:
        """Of a domain that is there."""

    @abstractmethod
    def account_id(self, address_key: str) -> int:
        """Of a user that is there, or is added in this transaction."""


class Kind(ABC, Generic[R]):
    """One kind of object."""

    name: ClassVar[str]
    """As documents and commands call it: ``users``."""
    doc: ClassVar[str]
    """One line for people."""
    row: ClassVar[type[Row]]
    keys: ClassVar[tuple[str, ...]]
    """The fields that say which object it is."""
    optional_keys: ClassVar[frozenset[str]] = frozenset()
    """Those of them that may be empty."""
    secrets: ClassVar[frozenset[str]] = frozenset()
    """Fields that are exported only when secrets are asked for."""
    is_secret: ClassVar[bool] = False
    """So is all of it: without its secrets nothing could be made of a row."""
    input_only: ClassVar[frozenset[str]] = frozenset()
    """Fields that are read and never written."""
    moments: ClassVar[frozenset[str]] = frozenset({"created"})
    """Times: an empty one says nothing, so that what stands stays."""
    of_domains: ClassVar[bool] = True
    """Each belongs to a domain."""
    role: ClassVar[Role] = Role.DOMAIN
    """Who may change such objects, of domains that they see."""

    @abstractmethod
    def read(self, world: World) -> Iterator[R]:
        """Every object of the world's domains (and, where it belongs to none, of a world that has all of them)."""

    @abstractmethod
    def key(self, row: R) -> str:
        """Equal for rows of the same object; BadInput or ValueError for one that cannot be."""

    @abstractmethod
    def domain(self, row: R) -> str:
        """Key of the domain it belongs to; empty: to none."""

    def tenant(self, row: R) -> str:
        """Whose it is, where it belongs to no domain."""
        return ""

    def settled(self, rows: Mapping[str, R], world: World, progress: Progress) -> Mapping[str, R]:
        """Rows of a file by key, without what they ask for and have already; for what takes its time to find out."""
        return rows

    def merged(self, row: R, before: R, given: Collection[str]) -> R:
        """What a file says of an object that is there, where one field follows from others; ``given``: what it has."""
        return row

    def regular(self, row: R, says: Says) -> R:
        """The row as it will be kept, and what is wrong with it by itself."""
        return row

    def check(self, row: R, before: R | None, world: World, says: Says) -> None:
        """What is wrong with a row among the others: ``before`` is the one in its place."""

    def stays(self, row: R) -> bool:
        """Whether it is never taken away for not being in a file."""
        return False

    def check_removal(self, row: R, world: World, says: Says) -> None:
        """Why it may not be taken away."""

    @abstractmethod
    def write(self, before: R | None, after: R | None, work: Work) -> None:
        """The parts that make one object of another: ``before`` None adds it, ``after`` None removes it."""


def is_hex(text: str, digits: int) -> bool:
    """Whether it is that many hexadecimal digits, as exports write them."""
    return len(text) == digits and all(c in "0123456789abcdef" for c in text)


def stale() -> StoreBusy:
    """For a transaction in which an object is no more what the plan was made for."""
    return StoreBusy("the directory was changed while this was planned; nothing was done, run it again")


def same(found: object, expected: object) -> None:
    """For a transaction: :func:`stale` where these are not equal."""
    if found != expected:
        raise stale()
