"""What domains promise, as a test tells it: a name server without packets, and a web server without a web."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xtramail.delivery.routing import NameServiceDown
from xtramail.delivery.sts_policies import NoPolicy
from xtramail.model.pending import Pending
from xtramail.wire.dns.answer import Answer, Record
from xtramail.wire.mta_sts import StsText


@dataclass
class ScriptedNames:
    """``records`` by name and kind; a str among them is an alias. ``secure``: names, with what is below them."""

    records: dict[tuple[str, str], tuple[Record, ...] | str] = field(default_factory=dict)
    secure: set[str] = field(default_factory=set)
    unsigned: set[str | tuple[str, str]] = field(default_factory=set)
    """Names, or names with a kind, for which that does not hold."""
    bad: set[tuple[str, str]] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    ttl: int = 300

    def put(self, name: str, kind: str, *records: Record) -> ScriptedNames:
        self.records[name, kind] = records
        return self

    def ask(self, name: str, kind: str) -> Pending[Answer]:
        self.asked.append((name, kind))
        if (name, kind) in self.bad:
            return Pending.failed(NameServiceDown(f"DNS does not answer for {name} {kind}: SERVFAIL"))
        real, secure = name, self.signed(name) and (name, kind) not in self.unsigned
        alias = self.records.get((name, "alias"))
        if isinstance(alias, str) and kind != "CNAME":
            real, secure = alias, secure and self.signed(alias)
        found = self.records.get((real, kind), ())
        assert not isinstance(found, str)
        exists = name not in self.gone
        return Pending.of(
            Answer(name=name, real=real, exists=exists, secure=secure, ttl=self.ttl, records=found)
        )

    def signed(self, name: str) -> bool:
        return name not in self.unsigned and any(name == one or name.endswith("." + one) for one in self.secure)


@dataclass
class ScriptedSite:
    """``policies`` by domain; a str says why there is none."""

    policies: dict[str, StsText | str | Callable[[], StsText]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    waiting: dict[str, Pending[StsText]] = field(default_factory=dict)
    slow: bool = False
    """The test settles what is in ``waiting``."""

    def fetch(self, domain: str) -> Pending[StsText]:
        self.fetched.append(domain)
        if self.slow:
            self.waiting[domain] = Pending()
            return self.waiting[domain]
        found = self.policies.get(domain, "404")
        if isinstance(found, str):
            return Pending.failed(NoPolicy(found))
        return Pending.of(found if isinstance(found, StsText) else found())
