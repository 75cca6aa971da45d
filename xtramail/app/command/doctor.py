"""``xtramail doctor``: what should be mended, each finding with its remedy.

Owns the order of what is looked at and how long it is waited for; what is found is ``app/doctor``'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import TimeoutError as DeferredTooLate

from xtramail.app.command.cert import found as certificates_found
from xtramail.app.command.context import Context, Reporting
from xtramail.app.command.on_reactor import run_on_reactor
from xtramail.app.doctor import host_records, listening, machine, next_hops
from xtramail.app.doctor.domain_records import DomainRecords, leaves_by
from xtramail.app.doctor.finding import LEVELS, Finding, worst
from xtramail.app.doctor.kernel_clock import kept_right
from xtramail.app.doctor.listening import Job
from xtramail.app.doctor.patient import Patient
from xtramail.delivery.routing import NameServiceDown
from xtramail.directory import dkim_keys
from xtramail.directory.audit_log import verify_audit
from xtramail.directory.domains import all_domains
from xtramail.model.host import parse_host
from xtramail.net.adapter import deferred, start
from xtramail.net.certificates import CertificateFault, Identity, check_pair, find_pairs
from xtramail.net.dns_client import DnsClient
from xtramail.store.records import DomainRow
from xtramail.store.server_lock import is_held

AT_ONCE = 16
SECONDS = 25.0
"""For everything that somebody else has to answer; what takes longer is told as such."""
DNS_SECONDS = 12.0
_WAITS = (1.5, 2.5)
MOST_DOMAINS = 100
"""Looked at in one call, when none is named."""
RESOLVERS = Path("/etc/resolv.conf")


@click.command(cls=Reporting)
@click.argument("names", nargs=-1, metavar="[DOMAIN]...")
@click.option("--nameserver", metavar="HOST[:PORT]", help="Ask this.  [default: dns.validating, else the machine's]")
@click.option(
    "--fail-on", type=click.Choice(("warn", "error")), default="error", show_default=True, help="What is exit code 1."
)
@click.pass_obj
def doctor(context: Context, names: tuple[str, ...], nameserver: str | None, fail_on: str) -> None:
    """Check ports, certificates, DNS, store, clock, backup, queue and primaries.

    One line for each finding (ok, info, warn, error), with its remedy; of DOMAINs, or of all. Takes half a minute at
    most. Exit code 1 when one is as bad as --fail-on says.
    """
    findings = _looked_at(context, names, nameserver)
    rows = [
        {"level": one.level, "check": one.check, "finding": one.what, "remedy": one.remedy} for one in findings
    ]
    context.table(rows, ("level", "finding", "remedy"), "")
    if LEVELS.index(worst(findings)) >= [*LEVELS].index("warn" if fail_on == "warn" else "error"):
        click.get_current_context().exit(1)


def _looked_at(context: Context, names: tuple[str, ...], nameserver: str | None) -> list[Finding]:
    # What comes first has to be there for anything else to be looked at: settings, a store, its format.
    context.engine  # noqa: B018
    left_out, patient = _patient(context, names)
    waiting = Waiting(SECONDS)
    for what, job in (*listening.doors(patient), *next_hops.primaries(patient)):
        waiting.add(what, job)
    found = [*left_out, *_quick(context, patient)]
    records, public = _records(patient, nameserver)
    if patient.running and any(":25" in one or one.endswith("=25") for one in patient.settings.listen.smtp):
        for host, address in public:
            waiting.add(f"{host} [{address}]", partial(listening.from_outside, host, address))
    return [*found, *waiting.findings(), *records]


def _patient(context: Context, names: tuple[str, ...]) -> tuple[list[Finding], Patient]:
    rows = tuple(context.desk.domain(name) for name in names) or tuple(all_domains(context.engine))
    found = []
    if not names and len(rows) > MOST_DOMAINS:
        told = f"{len(rows) - MOST_DOMAINS} of {len(rows)} domains were not looked at"
        found.append(Finding("info", "domains", told, "name them: xtramail doctor DOMAIN..."))
        rows = rows[:MOST_DOMAINS]
    return found, Patient(
        settings=context.named_settings,
        engine=context.engine,
        paths=context.paths,
        now=context.now(),
        running=is_held(context.paths.store),
        domains=rows,
        identities=tuple(_identities(context)),
        dkim={row.name: dkim_keys.of_domain(context.desk, row.name) for row in rows},
    )


def _identities(context: Context) -> Iterator[Identity]:
    for name, certificate, key in find_pairs(context.paths.certificates):
        try:
            yield check_pair(certificate, key, name=name)
        except CertificateFault:
            # ``cert list`` says what is wrong with it.
            continue


def _quick(context: Context, patient: Patient) -> Iterator[Finding]:
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        partial(listening.certificates, patient, certificates_found(context)),
        partial(machine.password_keys, patient, lambda: context.keyring),
        partial(machine.space, patient),
        partial(machine.clock, patient, kept_right),
        partial(machine.ledger, patient),
        partial(machine.changes, lambda: verify_audit(context.desk, noted=context.changes_head.noted())),
        partial(machine.queue, patient),
        partial(machine.backup, patient),
        partial(machine.held, patient),
        partial(machine.told, patient),
    )
    for check in checks:
        yield from machine.guarded(check)


class Waiting:
    """Jobs side by side: where many hosts are away, nobody waits for the sum of their time-outs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._jobs: list[tuple[str, Future[list[Finding]]]] = []

    def add(self, what: str, job: Job) -> None:
        self._jobs.append((what, self._pool.submit(lambda: list(machine.guarded(job)))))

    def findings(self) -> Iterator[Finding]:
        """Once, in the order in which they were added."""
        for what, job in self._jobs:
            try:
                yield from job.result(max(self._until - time.monotonic(), 0.0))
            except TooLate:
                told = f"{what}: nothing was heard within {self._seconds:g} s"
                yield Finding("warn", "doctor", told, "see whether that host answers at all")
        self._pool.shutdown(wait=False, cancel_futures=True)


def name_servers(patient: Patient, nameserver: str | None) -> list[tuple[str, int]]:
    """Whom to ask: the one that is named, else the one that is trusted, else the machine's."""
    if named := nameserver or patient.settings.dns.validating:
        return [parse_host(named, 53)]
    try:
        lines = [line.split() for line in RESOLVERS.read_text("ascii", "replace").splitlines()]
    except OSError:
        lines = []
    found = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [(one.partition("%")[0], 53) for one in found[:3]] or [("127.0.0.1", 53)]


def _records(patient: Patient, nameserver: str | None) -> tuple[list[Finding], list[tuple[str, str]]]:
    """What DNS says, and which public addresses our names have."""
    found: list[Finding] = []
    public: list[tuple[str, str]] = []
    servers = name_servers(patient, nameserver)

    async def ask(reactor: Any) -> None:
        names = DnsClient(reactor, servers, waits=_WAITS)
        trusted = None
        if patient.settings.dns.validating:
            trusted = DnsClient(reactor, [parse_host(patient.settings.dns.validating, 53)], waits=_WAITS)
        looking = start(_look(patient, names, trusted, found, public)).addTimeout(DNS_SECONDS, reactor)
        try:
            await looking
        except (DeferredTooLate, TimeoutError):
            told = f"DNS took longer than {DNS_SECONDS:g} s: not everything was looked at"
            found.append(Finding("warn", "dns", told, "name fewer domains: xtramail doctor DOMAIN..."))
        finally:
            names.close()
            if trusted is not None:
                trusted.close()

    run_on_reactor(ask)
    return found, public


async def _look(
    patient: Patient, names: DnsClient, trusted: DnsClient | None, found: list[Finding], public: list[tuple[str, str]]
) -> None:
    found += await host_records.of_resolver(patient, trusted)
    try:
        await deferred(names.ask(".", "NS"))
    except NameServiceDown as fault:
        told = f"no name server answers, so nothing of DNS was looked at: {fault.text}"
        found.append(Finding("warn", "dns", told, "name one: xtramail doctor --nameserver HOST"))
        return
    ours: list[str] = []
    for host in patient.hosts:
        try:
            addresses = await host_records.addresses_of(names, host)
        except NameServiceDown:
            continue
        ours += [one for one in addresses if one not in ours and ip_address(one).is_global]
        public += [(host, one) for one in addresses if ip_address(one).is_global]
    each: list[Coroutine[Any, Any, list[Finding]]] = []
    each += [host_records.of_host(patient, names, host) for host in patient.hosts]
    each += [_domain(patient, names, row, tuple(ours)) for row in patient.domains]
    begun = [start(looking) for looking in each]
    for waited in begun:
        found += await waited


async def _domain(patient: Patient, names: DnsClient, row: DomainRow, ours: Sequence[str]) -> list[Finding]:
    addresses = tuple(ours)
    if carrier := leaves_by(patient, row):
        try:
            addresses = await host_records.addresses_of(names, carrier)
        except NameServiceDown:
            addresses = ()
    return await DomainRecords(patient, names, row).findings(addresses)
