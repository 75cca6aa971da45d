"""What DNS says of this server: addresses of its names and their way back, TLSA records, and the trusted resolver."""

from __future__ import annotations

from ipaddress import ip_address

from cryptography.hazmat.primitives.serialization import Encoding

from xtramail.app.doctor.finding import Finding
from xtramail.app.doctor.patient import Patient
from xtramail.app.promised_hosts import sending_text
from xtramail.delivery.routing import NameServiceDown
from xtramail.delivery.sts_policies import Names
from xtramail.net.dane import meets
from xtramail.wire.dns.answer import Address, Pointer, Tlsa

_AGAIN = "ask again where DNS answers"


async def addresses_of(names: Names, host: str) -> tuple[str, ...]:
    """NameServiceDown."""
    asked = [names.ask(host, kind) for kind in ("A", "AAAA")]
    return tuple([record.address for one in asked for record in (await one).of(Address)])


async def of_host(patient: Patient, names: Names, host: str) -> list[Finding]:
    """One of our names."""
    try:
        addresses = await addresses_of(names, host)
        found = [await _pointer(names, host, address) for address in addresses]
        return [*found, *await _tlsa(patient, names, host)] if addresses else [_nowhere(patient, host)]
    except NameServiceDown as fault:
        return [Finding("warn", "host", f"{host}: {fault.text}", _AGAIN)]


def _nowhere(patient: Patient, host: str) -> Finding:
    remedy = f"publish A (and AAAA) for {host}, or set server.hostname to the name that the world knows"
    return Finding("warn" if patient.domains else "info", "host", f"{host} has no address in DNS", remedy)


async def _pointer(names: Names, host: str, address: str) -> Finding:
    """RFC 1912 §2.1; many receivers refuse mail from addresses without a name that leads back."""
    if not ip_address(address).is_global:
        return Finding("info", "ptr", f"{host} is {address}, an address that the world cannot reach")
    answer = await names.ask(ip_address(address).reverse_pointer, "PTR")
    pointed = [record.name for record in answer.of(Pointer)]
    if host in pointed:
        return Finding("ok", "ptr", f"{address} is {host}, there and back")
    remedy = f"let whoever gave you that address publish PTR {host}"
    if not pointed:
        told = f"{address} ({host}) has no PTR record: many receivers refuse mail from it"
        return Finding("warn", "ptr", told, remedy)
    for name in pointed[:3]:
        if address in await addresses_of(names, name):
            return Finding("info", "ptr", f"{address} ({host}) is known as {name}, there and back", remedy)
    told = f"{address} ({host}) is called {pointed[0]}, which does not lead back: many receivers refuse mail from it"
    return Finding("warn", "ptr", told, remedy)


async def _tlsa(patient: Patient, names: Names, host: str) -> list[Finding]:
    """Records of ours that do not name what we show keep everybody's mail from us who believes them (RFC 7672)."""
    answer = await names.ask(f"_25._tcp.{host}", "TLSA")
    records = answer.of(Tlsa)
    if not records:
        return []
    shown = next((one for one in patient.identities if one.covers(host)), None)
    chain = [one.public_bytes(Encoding.DER) for one in shown.chain] if shown is not None else []
    usable = [record for record in records if record.usable]
    if any(meets(one, record) for record in usable for one in (chain[:1] if record.usage == 3 else chain[1:])):
        return [Finding("ok", "tlsa", f"_25._tcp.{host} names the certificate that is shown")]
    told = f"_25._tcp.{host} names another certificate than ours: mail of those who go by DANE does not come"
    return [Finding("error", "tlsa", told, "publish records of the certificate that is shown before it is changed")]


async def of_resolver(patient: Patient, trusted: Names | None) -> list[Finding]:
    """Whether mail to the world is held to what its domains promise. ``trusted``: the resolver of the settings."""
    told = sending_text(patient.settings)
    if trusted is None:
        remedy = 'run a resolver that checks DNSSEC on this machine, and name it: [dns] validating = "127.0.0.1"'
        return [Finding("info", "dnssec", told, "" if patient.settings.relay.smarthost else remedy)]
    where = patient.settings.dns.validating
    try:
        root = await trusted.ask(".", "NS")
    except NameServiceDown as fault:
        told = f"{where} (dns.validating): {fault.text}: mail to the world waits"
        return [Finding("error", "dnssec", told, "start that resolver, or empty dns.validating")]
    if root.secure:
        return [Finding("ok", "dnssec", told)]
    told = f"{where} (dns.validating) does not check DNSSEC: nobody is held to DANE"
    return [Finding("warn", "dnssec", told, "let it validate (unbound: auto-trust-anchor-file; resolved: DNSSEC=yes)")]
