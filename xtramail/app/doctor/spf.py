"""What a domain's SPF says of one address (RFC 7208). Enough to tell people whether we may send; checks no mail."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from xtramail.delivery.sts_policies import Names
from xtramail.wire.dns.answer import Address, MailHost, Text
from xtramail.wire.dns.packets import BadName, plain_name

MOST_LOOKUPS = 10
"""RFC 7208 §4.6.4."""
_MOST_HOSTS = 10
_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


class SpfFault(Exception):
    """The record cannot be followed (RFC 7208 §2.6.7): nobody believes it then."""


def records_of(texts: tuple[str, ...]) -> list[str]:
    """The SPF records among TXT records (RFC 7208 §4.5)."""
    return [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]


class Spf:
    """One check; ``result`` once."""

    def __init__(self, names: Names, address: str) -> None:
        self._names = names
        self._address: IPv4Address | IPv6Address = ip_address(address)
        self._lookups = 0

    async def result(self, domain: str) -> str:
        """pass, fail, softfail, neutral or none. SpfFault; NameServiceDown."""
        answer = await self._names.ask(domain, "TXT")
        found = records_of(tuple(record.text for record in answer.of(Text)))
        if len(found) > 1:
            raise SpfFault(f"{domain} has {len(found)} SPF records, and may have one")
        if not found:
            return "none"
        redirect = ""
        for term in found[0].split()[1:]:
            name, equals, value = term.partition("=")
            if equals and name.replace("-", "").replace("_", "").isalnum():
                redirect = value if name.lower() == "redirect" else redirect
                continue
            sign, mechanism = (term[0], term[1:]) if term[0] in _RESULTS else ("+", term)
            if await self._matches(domain, mechanism):
                return _RESULTS[sign]
        if redirect:
            self._count()
            result = await self.result(_target(redirect))
            if result == "none":
                raise SpfFault(f"{domain} redirects to {_shown(redirect)}, which has no SPF record")
            return result
        return "neutral"

    async def _matches(self, domain: str, mechanism: str) -> bool:
        head, slash, prefix = mechanism.partition("/")
        name, colon, value = head.partition(":")
        match name.lower():
            case "all":
                return True
            case "ip4" | "ip6":
                return self._within(mechanism.partition(":")[2], mechanism)
            case "include":
                self._count()
                result = await self.result(_target(value))
                if result == "none":
                    raise SpfFault(f"{domain} includes {_shown(value)}, which has no SPF record")
                return result == "pass"
            case "a":
                self._count()
                return await self._among([_target(value) if colon else domain], slash + prefix)
            case "mx":
                self._count()
                answer = await self._names.ask(_target(value) if colon else domain, "MX")
                hosts = [record.host for record in answer.of(MailHost) if record.host]
                return await self._among(hosts[:_MOST_HOSTS], slash + prefix)
            case "exists" | "ptr":
                # They depend on the message or on who asks: nothing that we could promise.
                self._count()
                return False
        raise SpfFault(f"{domain} says '{_shown(mechanism)}' in its SPF record, which nobody knows")

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise SpfFault(f"its SPF record needs more than {MOST_LOOKUPS} look-ups")

    async def _among(self, hosts: list[str], prefix: str) -> bool:
        four = self._address.version == 4
        # ip4-cidr-length [ "/" ip6-cidr-length ], each with a slash of its own (RFC 7208 §5.6)
        first, _, second = prefix.partition("//")
        bits = first.removeprefix("/") if four else second
        for host in hosts:
            answer = await self._names.ask(host, "A" if four else "AAAA")
            for record in answer.of(Address):
                if self._within(record.address + (f"/{bits}" if bits else ""), host):
                    return True
        return False

    def _within(self, network: str, term: str) -> bool:
        try:
            wanted = ip_network(network, strict=False)
        except ValueError:
            raise SpfFault(f"'{_shown(term)}' in an SPF record is no network") from None
        return wanted.version == self._address.version and self._address in wanted


def _shown(text: str) -> str:
    """Anybody's text, in a line for people: short, and nothing in it may act on a terminal."""
    return ascii(text[:80])[1:-1]


def _target(name: str) -> str:
    if "%" in name:
        raise SpfFault(f"{_shown(name)} is filled in for each message: look at it yourself")
    try:
        return plain_name(name)
    except BadName:
        raise SpfFault(f"'{_shown(name)}' in an SPF record is no name") from None
