"""How a domain is cut over to us, and back: records and steps with its real values.

Owns the order of the steps and the records of DNS. What is set at the primary is ``connectors``'; nothing is changed or
asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from xtramail.app.connectors import SPF, TITLES, Connector, Kind, Site, connector
from xtramail.app.doors import Door
from xtramail.model.host import is_address

SHORT, LONG = 300, 3_600
"""TTL in seconds: while something is changed, and when it has proved itself."""
_SERVICES = {"imaps": "_imaps", "submissions": "_submissions", "submission": "_submission", "pop3s": "_pop3s"}
"""Names of SRV records (RFC 6186 §3, RFC 8314 §5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """``site`` and what else is known of the domain."""

    site: Site
    kind: Kind
    primaries: tuple[str, ...]
    """``HOST:PORT``; empty: a local domain."""
    smtp: Door | None
    doors: tuple[Door, ...]
    """Those that users are offered."""
    certificate: str
    """A sentence about the one that is shown for our name."""
    smarthost: str
    """What carries mail to the world for us; empty: we do."""
    known_addresses: bool
    """The addresses of ``site`` are real ones."""
    tested: str
    """The command that tries it."""


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    kind: str
    ttl: int
    value: str
    why: str

    @property
    def line(self) -> str:
        return f"{self.name}. {self.ttl} IN {self.kind} {self.value}"


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    steps: tuple[str, ...]


def records(facts: Facts) -> list[Record]:
    """What is published, the MX first."""
    site = facts.site
    found = [
        Record(site.domain, "MX", SHORT, f"10 {site.host}.", "mail of the world comes to us; the only MX"),
        Record(site.domain, "TXT", SHORT, f'"{_spf(facts)}"', "merge it with the SPF record that is there: one only"),
    ]
    for one in facts.doors if not facts.primaries else ():
        if one.service in _SERVICES:
            name = f"{_SERVICES[one.service]}._tcp.{site.domain}"
            found.append(
                Record(name, "SRV", LONG, f"0 1 {one.port} {one.host}.", "mail programs find us by it (RFC 6186)")
            )
    return found


def _spf(facts: Facts) -> str:
    site = facts.site
    ours = [f"a:{site.host}"]
    if facts.smarthost:
        ours = [f"a:{facts.smarthost.rpartition(':')[0] or facts.smarthost}"]
    elif facts.known_addresses:
        ours = [f"ip{ip_address(one).version}:{one}" for one in site.addresses]
    theirs = [SPF[facts.kind]] if facts.kind in SPF else []
    return " ".join(["v=spf1", *ours, *theirs, "~all"])


def sections(facts: Facts) -> list[Section]:
    """Everything in the order in which it is done."""
    if not facts.primaries:
        moving = Section("Records", _moving(facts))
        return [Section("Before", _ready(facts)), moving, Section("Going back", _local_back())]
    made = connector(facts.kind, facts.site)
    found = [
        Section("Before", _ready(facts)),
        Section(f"The primary ({TITLES[facts.kind]}, {', '.join(facts.primaries)}) trusts us", made.trust),
        Section(
            "Try it before anything moves",
            (f"One message through us to the primary, followed to its end:\n    {facts.tested}",),
        ),
        Section("The MX moves", _moving(facts)),
        Section("When the old records are gone (a day later)", (*made.lock, *_settled(facts))),
    ]
    if made.outbound:
        found.append(Section("Mail of the primary to the world", made.outbound))
    else:
        found.append(Section("Mail of the primary to the world", _outbound_missing(facts)))
    found.append(Section("Going back", _back(facts, made)))
    return found


def _ready(facts: Facts) -> tuple[str, ...]:
    site, steps = facts.site, []
    address = site.listed if facts.known_addresses else "your public address"
    steps.append(f"{site.host} has A and AAAA records with {address}, and that has {site.host} as its name (PTR).")
    if facts.smtp is None:
        steps.append('Nothing listens for mail of the world: set [listen] smtp = ["tcp6:25"] and restart.')
    elif facts.smtp.port != 25:
        steps.append(f"The world connects to port 25: lead it to port {facts.smtp.port}, where we listen.")
    steps.append(facts.certificate)
    steps.append(f"A day before, lower the TTL of the MX records of {site.domain} to {SHORT}.")
    return tuple(steps)


def _moving(facts: Facts) -> tuple[str, ...]:
    site = facts.site
    spf = (
        f"SPF, so that what users send from here is believed. Merge it with what is there, one record only:\n"
        f"    {records(facts)[1].line}"
    )
    steps = [
        f"If the domain publishes MTA-STS (_mta-sts.{site.domain}): add the line mx: {site.host} to its policy, then"
        " a new id to that record. Our certificate must be a public one for this.",
        spf,
        "The MX, in place of all others: a second one that leads to the primary would be taken by spam, and by mail"
        f" that we never see:\n    {records(facts)[0].line}",
    ]
    if facts.primaries:
        steps.append(
            f"Leave autodiscover.{site.domain} and autoconfig.{site.domain}, and SRV records, as they are: they lead"
            " mail programs to the primary. For the emergency users have a card: "
            f"xtramail user card --all --domain {site.domain} --out DIR"
        )
        steps.append(f"Look that mail comes: xtramail trace --since 10m; xtramail outage status {site.domain}")
    else:
        lines = "\n".join(f"    {one.line}" for one in records(facts)[2:])
        if lines:
            steps.append(f"SRV records by which mail programs find us:\n{lines}")
    return tuple(steps)


def _settled(facts: Facts) -> tuple[str, ...]:
    domain = facts.site.domain
    return (
        f"After a quiet week raise the TTL of MX and SPF to {LONG}: low enough to go back within an hour.",
        f"See what is still missing: xtramail readiness {domain}",
    )


def _outbound_missing(facts: Facts) -> tuple[str, ...]:
    domain = facts.site.domain
    return (
        "It sends by itself until now, so what it sends is not here in an outage. To change that, say how we know it:\n"
        f"    xtramail domain set {domain} relay-from=ADDRESS\n"
        f"    xtramail domain relay-account {domain} create\n"
        "and call this guide again.",
    )


def _back(facts: Facts, made: Connector) -> tuple[str, ...]:
    site, primary = facts.site, facts.primaries[0].rpartition(":")[0].strip("[]")
    before = "what it was before" if is_address(primary) else f"10 {primary}."
    reopen = [one for one in made.undo if one.startswith("Before")]
    later = [one for one in made.undo if not one.startswith("Before")]
    opened = reopen or ["Let the firewall pass port 25 to the primary from everywhere again."]
    back = f"Point the MX to the primary again:\n    {site.domain}. {SHORT} IN MX {before}"
    return (
        *opened,
        back,
        "Leave us running for two days: mail of hosts that remember the old record still comes here, and what waits"
        " is handed over: xtramail queue list",
        *later,
        f"Take our part out of the SPF record, and mx: {site.host} out of the MTA-STS policy.",
        f"When nothing waits: xtramail domain remove {site.domain}",
    )


def _local_back() -> tuple[str, ...]:
    return (
        "This domain has no primary: its mailboxes are here only. Give it one first, and let mail be copied there:"
        " xtramail domain set NAME primary=HOST; then point the MX to that host.",
    )
