"""How ready a domain is for an outage: what was found of it becomes a score from 0 to 100, and what to do next.

Pure: facts are passed in. What is not known earns nothing; what does not concern a domain is left out, and the rest
counts for it. Who finds out is ``app/command/readiness``'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

DAY = 86_400.0

WEIGHTS: dict[str, int] = {
    "mx": 20,
    "primary": 15,
    "certificate": 15,
    "passwords": 15,
    "logins": 10,
    "drill": 8,
    "alerts": 5,
    "primary-tls": 4,
    "outgoing": 3,
    "outside": 3,
    "backup": 2,
}
"""Points by check, 100 in all: mail has to come to us, users have to get in, and somebody has to have tried it."""

DRILL_DAYS = 180
"""A drill is good for so long: people and their phones change."""
BACKUP_DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One mailbox. ``logins``: by service, when it was last used."""

    address: str
    password: bool
    devices: int = 0
    logins: dict[str, float] = field(default_factory=dict)
    outside: bool = False

    @property
    def can_log_in(self) -> bool:
        return self.password or self.devices > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A host of the primary: ``fault`` empty when it greets; ``tls`` verified, any, none or unknown."""

    host: str
    fault: str
    tls: str
    tls_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """None stands for what nobody could find out. Times are seconds since 1970."""

    domain: str
    now: float
    hosts: tuple[str, ...]
    """Our names."""
    mx: tuple[tuple[int, str], ...] | None
    mx_text: str = ""
    """Why it is not known, or none."""
    certificate: bool
    """A good one is for our name."""
    certificate_text: str
    hops: tuple[Hop, ...]
    """Empty: a local domain."""
    users: tuple[User, ...]
    told: bool
    """Somebody hears of its outages."""
    outgoing: bool
    """What its primary sends is here, too."""
    drill: float | None = None
    drill_passed: bool = False
    backup: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    weight: int
    share: float | None
    """Of the weight that is earned, 0 to 1; None: not known."""
    text: str
    remedy: str

    @property
    def gain(self) -> float:
        """Points that are still to be had."""
        return self.weight * (1 - (self.share or 0.0))


@dataclass(frozen=True, slots=True)
class Readiness:
    score: int
    checks: tuple[Check, ...]

    @property
    def next(self) -> tuple[Check, ...]:
        """What is to be done, by what it gains."""
        open_ = [one for one in self.checks if one.gain > 0]
        return tuple(sorted(open_, key=lambda one: -one.gain))


Found = tuple[float | None, str, str]
"""Share, what was found, what to do."""


def judge(facts: Facts) -> Readiness:
    """Every check that concerns the domain, in the order of the table."""
    checks = []
    for name, weight in WEIGHTS.items():
        found = _CHECKS[name](facts)
        if found is not None:
            share, text, remedy = found
            checks.append(Check(name, weight, share, text, remedy if share != 1 else ""))
    possible = sum(one.weight for one in checks)
    missing = sum(one.gain for one in checks)
    # Rounded down: 100 is for who has all of it.
    return Readiness(int(100 * (possible - missing) / possible + 1e-9), tuple(checks))


def _mx(facts: Facts) -> Found | None:
    guide = f"point it here: xtramail domain guide {facts.domain}"
    if facts.mx is None:
        return None, f"MX not known: {facts.mx_text}", "ask again where DNS answers, or --nameserver HOST"
    ours = {name.lower().rstrip(".") for name in facts.hosts}
    if not facts.mx:
        return 0.0, facts.mx_text or "there is no MX", guide
    best = min((preference for preference, _ in facts.mx), default=0)
    names = [host.lower().rstrip(".") for _, host in sorted(facts.mx)]
    first = [host.lower().rstrip(".") for preference, host in facts.mx if preference == best]
    shown = ", ".join(names)
    if all(name in ours for name in names):
        return 1.0, f"MX {shown} is ours", ""
    if any(name in ours for name in first):
        return 0.7, f"MX {shown}: not all of them are ours", f"remove the others: xtramail domain guide {facts.domain}"
    return 0.0, f"MX {shown} is not ours ({', '.join(facts.hosts)})", guide


def _primary(facts: Facts) -> Found | None:
    if not facts.hops:
        return None
    away = [one for one in facts.hops if one.fault]
    text = "; ".join(f"{one.host}: {one.fault}" for one in away) or "the primary answers"
    return 1 - len(away) / len(facts.hops), text, f"see: xtramail domain test {facts.domain}"


def _primary_tls(facts: Facts) -> Found | None:
    reached = [one for one in facts.hops if one.tls != "unknown"]
    if not facts.hops:
        return None
    if not reached:
        return None, "TLS of the primary is not known", f"see: xtramail domain test {facts.domain}"
    worth = {"verified": 1.0, "any": 0.5, "none": 0.0}
    poor = [one for one in reached if one.tls != "verified"]
    text = "; ".join(f"{one.host}: {one.tls_fault}" for one in poor) or "TLS of the primary is good"
    share = sum(worth[one.tls] for one in reached) / len(facts.hops)
    name = f"xtramail domain set {facts.domain} primary-ca=FILE"
    return share, text, f"give it a certificate for its name, or name its authority: {name}"


def _certificate(facts: Facts) -> Found:
    return float(facts.certificate), facts.certificate_text, "install one: xtramail cert install CRT KEY"


def _part(facts: Facts, having: list[User], what: str, remedy: str) -> Found:
    """How many of all users have something; the first who has not is named in ``remedy`` by ``{}``."""
    if not facts.users:
        return 0.0, "no users yet", f"add one: xtramail user add NAME@{facts.domain} --generate"
    missing = [one.address for one in facts.users if one not in having]
    text = f"{len(having)} of {len(facts.users)} users {what}"
    return len(having) / len(facts.users), text, remedy.replace("{}", missing[0]) if missing else ""


def _passwords(facts: Facts) -> Found:
    having = [one for one in facts.users if one.can_log_in]
    return _part(facts, having, "can log in", "give the others a password: xtramail user passwd {} --generate")


def _logins(facts: Facts) -> Found:
    having = [one for one in facts.users if one.logins]
    remedy = f"let them try, with their card: xtramail user card --all --domain {facts.domain} --out DIR"
    return _part(facts, having, "have logged in here", remedy)


def _outside(facts: Facts) -> Found:
    having = [one for one in facts.users if one.outside]
    remedy = "for their card in an outage: xtramail user set {} outside-address=ADDRESS"
    return _part(facts, having, "have an address outside", remedy)


def _drill(facts: Facts) -> Found | None:
    if not facts.hops:
        return None
    remedy = f"rehearse: xtramail drill start {facts.domain} --users A,B --minutes 30"
    if facts.drill is None:
        return 0.0, "no drill yet", remedy
    days = int((facts.now - facts.drill) / DAY)
    text = f"the last drill was {days} days ago and {'passed' if facts.drill_passed else 'did not pass'}"
    if not facts.drill_passed:
        return 0.3, text, f"see: xtramail drill status; then {remedy}"
    return (1.0 if days <= DRILL_DAYS else 0.5), text, remedy


def _alerts(facts: Facts) -> Found | None:
    if not facts.hops:
        return None
    text = "somebody is told of its outages" if facts.told else "nobody is told of its outages"
    return float(facts.told), text, f"say who: xtramail domain set {facts.domain} alert-mail=ADDRESS"


def _outgoing(facts: Facts) -> Found | None:
    if not facts.hops:
        return None
    text = "what it sends is copied here" if facts.outgoing else "what its primary sends is not here"
    return float(facts.outgoing), text, f"send through us, or a journal: xtramail domain guide {facts.domain}"


def _backup(facts: Facts) -> Found:
    remedy = "write one each night: xtramail backup DIR"
    if facts.backup is None:
        return None, "no backup is known", remedy
    days = (facts.now - facts.backup) / DAY
    share = 1.0 if days <= BACKUP_DAYS else 0.5 if days <= 7 * BACKUP_DAYS else 0.0
    return share, f"the last backup is {int(days)} days old", remedy


_CHECKS: dict[str, Callable[[Facts], Found | None]] = {
    "mx": _mx,
    "primary": _primary,
    "certificate": _certificate,
    "passwords": _passwords,
    "logins": _logins,
    "drill": _drill,
    "alerts": _alerts,
    "primary-tls": _primary_tls,
    "outgoing": _outgoing,
    "outside": _outside,
    "backup": _backup,
}
"""None: it does not concern this domain."""
