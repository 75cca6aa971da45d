"""The mail hosts of a domain of the world, by a name server that is trusted, and what TLS each of them has to show.

DANE comes first (RFC 7672): a host with secure TLSA records is held to them. Then MTA-STS (RFC 8461): an enforced
policy says which hosts may be taken, and each has to show a certificate that the world believes. What is left gets TLS
as the settings have it. Nothing that was promised is given up: whoever cannot be asked, or shows something else, waits.
Owns no packet, no socket and no policy's life.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from xtramail.delivery.courier import Hop
from xtramail.delivery.routing import NameServiceDown, NoMailHost, RoutingSettings
from xtramail.delivery.sts_policies import Names, StsPolicies
from xtramail.model.clock import Clock
from xtramail.model.errors import Unavailable
from xtramail.model.pending import Pending
from xtramail.wire.dns.answer import Address, Answer, MailHost, Pointer, Tlsa
from xtramail.wire.mta_sts import StsText

REMEMBERED_SECONDS = 60.0
"""Longest time for which what was found is not asked again; the name server has a memory of its own."""
_MOST_REMEMBERED = 1_000
_MOST_ADDRESSES = 4
"""Of one host that are tried."""


class NoSecureHost(Unavailable):
    """No host of the domain can be taken as the domain itself wants it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """``preferred``: preference and hop. Good until ``until``."""

    preferred: tuple[tuple[int, Hop], ...]
    until: float


@dataclass(frozen=True, slots=True)
class _Tlsa:
    base: str = ""
    """The name below which the records are."""
    records: tuple[Tlsa, ...] = ()
    ttl: int = 0


class SecureHosts:
    def __init__(self, *, names: Names, policies: StsPolicies, clock: Clock) -> None:
        self._names = names
        self._policies = policies
        self._clock = clock
        self._known: dict[tuple[str, RoutingSettings], _Found] = {}

    async def hops(self, domain: str, settings: RoutingSettings) -> list[Hop]:
        """In the order in which they are to be tried. NoMailHost, NameServiceDown, NoSecureHost."""
        now = self._clock.now()
        known = self._known.get((domain, settings))
        if known is None or not now <= known.until <= now + REMEMBERED_SECONDS:
            known = await self._look(domain, settings, now)
            if known.until > now:
                self._remember(domain, settings, known, now)
        # RFC 5321 §5.1: the lowest preference first, hosts of equal preference in random order.
        return [hop for _, hop in sorted(known.preferred, key=lambda one: (one[0], random.random()))]

    def _remember(self, domain: str, settings: RoutingSettings, found: _Found, now: float) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {key: one for key, one in self._known.items() if one.until > now}
        if len(self._known) < _MOST_REMEMBERED:
            self._known[domain, settings] = found

    async def _look(self, domain: str, settings: RoutingSettings, now: float) -> _Found:
        mx = await self._names.ask(domain, "MX")
        candidates = _candidates(domain, mx)
        policy = await self._policies.policy(domain)
        enforced = policy if policy is not None and policy.mode == "enforce" else None
        if enforced is not None and not mx.secure:
            # No host of theirs can have DANE, so who is not in the policy need not be looked at.
            allowed = [one for one in candidates if enforced.allows(one.host)]
            if not allowed:
                raise NoSecureHost(_none_allowed(domain, candidates, enforced))
            candidates = allowed
        candidates = candidates[: settings.hosts]
        asked = [(one, self._names.ask(one.host, "A"), self._names.ask(one.host, "AAAA")) for one in candidates]
        found: list[tuple[int, Hop]] = []
        faults: list[str] = []
        ttl = float(mx.ttl)
        for one, a, aaaa in asked:
            try:
                addresses = _Addresses(one.host, [await _settled(a), await _settled(aaaa)])
                if not addresses.found:
                    faults.append(f"{one.host} has no address")
                    continue
                tlsa = await self._tlsa(addresses, settings.outside_port) if mx.secure else _Tlsa()
            except NameServiceDown as fault:
                # RFC 7672 §2.1.1: an answer that was found bad, or none at all, is never "has no DANE".
                faults.append(f"{one.host}: {fault.text}")
                continue
            hop = _hop(domain, one.host, addresses.found, tlsa.base, tlsa.records, enforced, settings)
            if hop is None:
                faults.append(f"{one.host} is not in its MTA-STS policy")
                continue
            ttl = min(ttl, addresses.ttl, tlsa.ttl if tlsa.records else ttl)
            found.append((one.preference, hop))
        if not found:
            raise NoSecureHost(f"no mail host of {domain} can be taken: {'; '.join(faults)}"[:1_000])
        until = now + min(ttl, REMEMBERED_SECONDS) if not faults else now
        return _Found(preferred=tuple(found), until=until)

    async def _tlsa(self, addresses: _Addresses, port: int) -> _Tlsa:
        """The secure TLSA records of a host in a secure domain (RFC 7672 §2.2.2, §2.2.3)."""
        for base in await self._bases(addresses):
            answer = await self._names.ask(f"_{port}._tcp.{base}", "TLSA")
            records = answer.of(Tlsa)
            if records and answer.secure:
                return _Tlsa(base=base, records=records, ttl=answer.ttl)
        return _Tlsa()

    async def _bases(self, addresses: _Addresses) -> Sequence[str]:
        """Names below which the records may be: where the host's name leads to, then the name itself."""
        if addresses.secure:
            return list(dict.fromkeys((addresses.real, addresses.host)))
        if addresses.real == addresses.host:
            # RFC 7672 §2.2.2: where the addresses are not secure no TLSA records are asked for; name servers that do
            # not know them would fail, and stop mail to hosts that never had any.
            return []
        alias = await self._names.ask(addresses.host, "CNAME")
        return [addresses.host] if alias.secure and alias.of(Pointer) else []


async def _settled(asked: Pending[Answer]) -> Answer | NameServiceDown:
    try:
        return await asked
    except NameServiceDown as fault:
        return fault


class _Addresses:
    """What A and AAAA say of a host, together."""

    def __init__(self, host: str, answers: Sequence[Answer | NameServiceDown]) -> None:
        """NameServiceDown where that leaves no address. One of the two is enough: both are of one name, so that it is
        signed or not whichever was answered (RFC 7672 §2.2.2)."""
        had = [answer for answer in answers if isinstance(answer, Answer)]
        with_records = [answer for answer in had if answer.of(Address)]
        for answer in answers:
            if isinstance(answer, NameServiceDown) and not with_records:
                raise answer
        self.host = host
        self.secure = all(answer.secure for answer in had)
        self.real = with_records[0].real if with_records else host
        found = sorted(record.address for answer in had for record in answer.of(Address))
        # Sorted, so that a kept connection is found again whatever order the name server gives.
        four, six = [one for one in found if ":" not in one], [one for one in found if ":" in one]
        room = max(_MOST_ADDRESSES // 2, _MOST_ADDRESSES - len(four))
        self.found = (*six[:room], *four)[:_MOST_ADDRESSES]
        self.ttl = min((answer.ttl for answer in with_records), default=0)


def _candidates(domain: str, mx: Answer) -> list[MailHost]:
    if not mx.exists:
        raise NoMailHost(f"domain {domain} does not exist")
    records = mx.of(MailHost)
    if not records:
        # RFC 5321 §5.1: without an MX the domain itself is the host.
        return [MailHost(preference=0, host=domain)]
    hosts = [record for record in records if record.host]
    if not hosts:
        raise NoMailHost(f"domain {domain} takes no mail (null MX)")
    return sorted(hosts, key=lambda one: (one.preference, random.random()))


def _none_allowed(domain: str, candidates: Sequence[MailHost], policy: StsText) -> str:
    hosts = ", ".join(one.host for one in candidates[:5])
    return f"none of the mail hosts of {domain} ({hosts}) is in its MTA-STS policy ({', '.join(policy.hosts[:5])})"


def _hop(
    domain: str,
    host: str,
    addresses: tuple[str, ...],
    base: str,
    records: tuple[Tlsa, ...],
    enforced: StsText | None,
    settings: RoutingSettings,
) -> Hop | None:
    """None: it may not be taken."""
    usable = tuple(record for record in records if record.usable)
    port = settings.outside_port
    if usable:
        # RFC 7672 §3.2.2: whom the certificate below a trust anchor may be for.
        names = tuple(dict.fromkeys((base, domain)))
        return Hop(
            host=host, port=port, tls="dane", addresses=addresses, tlsa=usable, names=names, promise="dane"
        )
    if enforced is not None:
        if not enforced.allows(host):
            return None
        ca = settings.authorities
        return Hop(host=host, port=port, tls="verify", ca=ca, addresses=addresses, promise="sts")
    tls = settings.tls
    if records and tls in ("none", "opportunistic"):
        # RFC 7672 §2.2: TLS there is promised, by records that nobody can use.
        tls = "required"
    return Hop(host=host, port=port, tls=tls, addresses=addresses)

