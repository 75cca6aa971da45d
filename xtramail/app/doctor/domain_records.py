"""What DNS says of a domain that is served: whether its mail comes to us, and whether the world believes what we send.

Asks, and judges; waits for nobody in particular (``ask`` begins at once), so that domains are looked at side by side.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

from xtramail.app.doctor.finding import Finding, Level
from xtramail.app.doctor.patient import Patient
from xtramail.app.doctor.spf import Spf, SpfFault, records_of
from xtramail.app.doors import door, host_of
from xtramail.delivery.routing import NameServiceDown
from xtramail.delivery.sts_policies import Names
from xtramail.directory.alias_targets import leads_outside
from xtramail.directory.forwarding_names import AS, forwarding_as
from xtramail.directory.relay_clients import ACCOUNT, CERTIFICATE, FROM
from xtramail.model.host import parse_host
from xtramail.net.adapter import start
from xtramail.store.records import DomainRow
from xtramail.wire.dns.answer import MailHost, Place, Text

SERVICES = {"imaps": "_imaps", "submissions": "_submissions", "submission": "_submission"}
"""Names of SRV records (RFC 6186 §3, RFC 8314 §5.1)."""


class DomainRecords:
    def __init__(self, patient: Patient, names: Names, row: DomainRow) -> None:
        self._patient = patient
        self._names = names
        self._row = row
        self._guide = f"xtramail domain guide {row.name}"
        self._exists = True

    async def findings(self, addresses: tuple[str, ...]) -> list[Finding]:
        """``addresses``: those from which mail of the domain reaches the world; empty: nobody knows."""
        checks: tuple[tuple[str, Coroutine[Any, Any, list[Finding]]], ...] = (
            ("mx", self._mx()),
            ("spf", self._spf(addresses)),
            ("dkim", self._dkim()),
            ("dmarc", self._dmarc()),
            ("srv", self._services()),
        )
        # Side by side: a name server may take a second for each question.
        mx, *others = [start(self._answered(check, looking)) for check, looking in checks]
        found = await mx
        if not self._exists:
            return found
        for one in others:
            found = [*found, *await one]
        return found

    async def _answered(self, check: str, looking: Coroutine[Any, Any, list[Finding]]) -> list[Finding]:
        try:
            return await looking
        except NameServiceDown as fault:
            return [Finding("warn", check, f"{self._row.name}: {fault.text}", "ask again where DNS answers")]

    async def _mx(self) -> list[Finding]:
        row, ours = self._row, self._patient.hosts
        answer = await self._names.ask(row.name, "MX")
        if not answer.exists:
            self._exists = False
            told = f"{row.name} does not exist in DNS"
            return [Finding("warn", "mx", told, f"register it, then publish its records: {self._guide}")]
        records = sorted(answer.of(MailHost), key=lambda one: one.preference)
        shown = ", ".join(one.host or "." for one in records)
        mine = [one.host in ours for one in records]
        if records and all(mine):
            return [Finding("ok", "mx", f"{row.name}: MX {shown} is ours")]
        if any(mine):
            told = f"{row.name}: MX {shown}: not all of them are ours; mail for the others is not copied"
            return [Finding("warn", "mx", told, f"remove the others: {self._guide}")]
        told = f"{row.name}: MX {shown} is not ours ({', '.join(ours)})"
        if not records:
            told = f"{row.name} has no MX record: mail for it goes to its own address, if it has one, and not to us"
        if row.settings.get("journal") or self._patient.settings.listen.lmtp:
            return [Finding("info", "mx", f"{told}; it may get copies (journal, LMTP)")]
        return [Finding("warn", "mx", told, f"point it to us when all is ready: {self._guide}")]

    async def _spf(self, addresses: tuple[str, ...]) -> list[Finding]:
        name = self._row.name
        answer = await self._names.ask(name, "TXT")
        found = records_of(tuple(record.text for record in answer.of(Text)))
        if not found:
            told = f"{name} has no SPF record: who sends for it is anybody's guess"
            return [Finding("warn", "spf", told, f"publish one: {self._guide}")]
        if not addresses:
            return [Finding("info", "spf", f"{name}: from which address its mail leaves is not known here")]
        left_out = []
        for address in addresses:
            try:
                result = await Spf(self._names, address).result(name)
            except SpfFault as fault:
                told = f"{name}: {fault}: receivers take it for none"
                return [Finding("error", "spf", told, "mend the TXT record of the domain")]
            if result != "pass":
                left_out.append(f"{address} ({result})")
        if left_out:
            told = f"{name}: its SPF record does not let us send, from {', '.join(left_out)}"
            # In an outage its people send from here all the same.
            level: Level = "warn" if sends_through_us(self._row) else "info"
            return [Finding(level, "spf", told, f"put us into the record that is there: {self._guide}")]
        return [Finding("ok", "spf", f"{name}: its SPF record lets us send, from {', '.join(addresses)}")]

    async def _dkim(self) -> list[Finding]:
        name = self._row.name
        known = self._patient.dkim.get(name, ())
        if not known:
            told = f"{name} signs nothing with DKIM"
            return [Finding("info", "dkim", told, f"make a key: xtramail dkim create {name}")]
        found: list[Finding] = []
        for key in known:
            answer = await self._names.ask(key.record_name, "TXT")
            fault = key.fault([record.text for record in answer.of(Text)])
            what = f"{name}: DKIM key {key.selector} ({key.state})"
            publish = f"publish it: xtramail dkim show {name}"
            if not fault:
                waits = key.state == "pending"
                remedy = f"put it to work: xtramail dkim activate {name}" if waits else ""
                found.append(Finding("info" if waits else "ok", "dkim", f"{what} is in DNS", remedy))
            elif key.state == "active":
                told = f"{what} signs mail and nobody finds it: {fault}"
                found.append(Finding("error", "dkim", told, publish))
            elif key.state == "retired":
                told = f"{what} is not in DNS any more: {fault}; mail under way may still need it"
                found.append(Finding("info", "dkim", told))
            else:
                found.append(Finding("info", "dkim", f"{what} is not in DNS yet: {fault}", publish))
        return found

    async def _dmarc(self) -> list[Finding]:
        name = self._row.name
        answer = await self._names.ask(f"_dmarc.{name}", "TXT")
        found = [record.text for record in answer.of(Text) if record.text.replace(" ", "").startswith("v=DMARC1")]
        if not found:
            remedy = f'publish TXT at _dmarc.{name}: "v=DMARC1; p=none; rua=mailto:postmaster@{name}"'
            return [Finding("info", "dmarc", f"{name} has no DMARC record of its own", remedy)]
        if len(found) > 1:
            told = f"{name} has {len(found)} DMARC records: receivers take them for none"
            return [Finding("warn", "dmarc", told, f"leave one of them at _dmarc.{name}")]
        return [Finding("ok", "dmarc", f"{name}: {found[0][:80]}"), *self._lent()]

    def _lent(self) -> Iterator[Finding]:
        """Who publishes DMARC counts on nobody passing for his people."""
        name = self._row.name
        if not forwarding_as(self._row) and leads_outside(self._patient.engine, name):
            told = f"{name}: its aliases forward to the world: a forged From of {name} then passes SPF as yours"
            remedy = f"forward as a domain that nobody writes as, served here: xtramail domain set {name} {AS}=DOMAIN"
            yield Finding("info", "dmarc", told, remedy)

    async def _services(self) -> list[Finding]:
        """How mail programs find us. Those of a primary's people find the primary, and have a card for outages."""
        row, settings = self._row, self._patient.settings
        if row.primaries:
            return []
        found: list[Finding] = []
        host = host_of(settings, row.name)
        for service, label in SERVICES.items():
            ours = door(settings, service, row.name)
            name = f"{label}._tcp.{row.name}"
            if ours is None:
                continue
            places = (await self._names.ask(name, "SRV")).of(Place)
            shown = ", ".join(f"{one.host}:{one.port}" for one in places)
            if not places:
                remedy = f"publish it, so that mail programs find us: {self._guide}"
                found.append(Finding("info", "srv", f"{name} is not there", remedy))
            elif all(one.host in settings.server.hostname and one.port == ours.port for one in places):
                found.append(Finding("ok", "srv", f"{name} leads to {shown}"))
            else:
                remedy = f"let it lead to {host}:{ours.port}: {self._guide}"
                found.append(Finding("warn", "srv", f"{name} leads to {shown}, not to us", remedy))
        for label in ("autoconfig", "autodiscover"):
            name = f"{label}.{row.name}"
            answer = await self._names.ask(name, "A")
            if answer.records:
                where = f", which is {answer.real}" if answer.is_alias else ""
                told = f"{name} is there{where}: programs that ask it must be told {host}"
                found.append(Finding("info", "autoconfig", told))
        return found


def sends_through_us(row: DomainRow) -> bool:
    """Whether mail of the domain reaches the world from here while its primary is up, too."""
    return not row.primaries or any(row.settings.get(one) for one in (ACCOUNT, CERTIFICATE, FROM))


def leaves_by(patient: Patient, row: DomainRow) -> str:
    """The host by which mail of a domain reaches the world; empty: we are."""
    smarthost = row.smarthost or patient.settings.relay.smarthost
    return parse_host(smarthost)[0] if smarthost else ""
