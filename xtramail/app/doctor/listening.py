"""Whether our doors answer, from here and by our public addresses, and what certificates are shown there."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from functools import partial

from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError

from xtramail.app.doctor.finding import Finding
from xtramail.app.doctor.patient import Patient
from xtramail.app.doors import place_of
from xtramail.app.greeting import first_line, greeting, reason_of

CHECK_LOG = "look into the server's log: it may not run with these settings"
_INSTALL = "install one: xtramail cert install CRT KEY"
Job = Callable[[], Iterator[Finding]]
"""Something that may take seconds, to be done beside others."""


def doors(patient: Patient) -> list[tuple[str, Job]]:
    """A job for each door, with what it is about."""
    if not patient.running:
        remedy = "start it: systemctl start xtramail, or twistd -n xtramail"
        stopped = Finding("warn", "server", "the server is stopped", remedy)
        return [("the server", lambda: iter((stopped,)))]
    listen = patient.settings.listen
    wanted = (
        ("smtp", listen.smtp, b"220", False),
        ("submission", listen.submission, b"220", False),
        ("submissions", listen.submissions, b"220", True),
        ("imaps", listen.imaps, b"* OK", True),
        ("imap", listen.imap, b"* OK", False),
        ("pop3s", listen.pop3s, b"+OK", True),
        ("pop3", listen.pop3, b"+OK", False),
    )
    return [
        (f"{name} on {endpoint}", partial(_door, name, endpoint, word, tls=tls))
        for name, endpoints, word, tls in wanted
        for endpoint in endpoints
    ]


def _door(name: str, endpoint: str, wanted: bytes, *, tls: bool) -> Iterator[Finding]:
    place = place_of(endpoint)
    if place is None:
        yield Finding("info", "ports", f"{name} listens on {endpoint}, which cannot be tried from here")
        return
    what = f"{name} on {place[0]} port {place[1]}"
    try:
        said = greeting(place, tls=tls)
    except OSError as error:
        yield Finding("error", "ports", f"{what}: {reason_of(error)}", CHECK_LOG)
        return
    if said.startswith(wanted):
        yield Finding("ok", "ports", f"{what} answers" + (" with TLS" if tls else ""))
    else:
        yield Finding("error", "ports", f"{what} says {first_line(said)!r}", CHECK_LOG)


def from_outside(host: str, address: str, port: int = 25) -> Iterator[Finding]:
    """Our door for the world by a public address of ours. From here it may be closed by an honest NAT."""
    what = f"{host} [{address}] port {port}"
    try:
        said = greeting((address, port))
    except OSError as error:
        remedy = f"try it from another network; let the firewall pass port {port}"
        yield Finding("info", "reachable", f"{what} does not answer from here: {reason_of(error)}", remedy)
        return
    if said.startswith(b"220") and host.encode("ascii", "replace").lower() in said.lower():
        yield Finding("ok", "reachable", f"{what} answers")
    else:
        remedy = "see who listens there: that name must lead to this server"
        yield Finding("warn", "reachable", f"{what} is somebody else: {first_line(said)!r}", remedy)


def certificates(patient: Patient, rows: list[dict[str, object]]) -> Iterator[Finding]:
    """``rows``: every pair in the folder, as ``cert list`` has them."""
    if not rows:
        yield Finding("error", "certificates", f"there is no certificate in {patient.paths.certificates}", _INSTALL)
    for row in rows:
        if row["fault"]:
            told = f"certificate {row['name']}: {row['fault']}"
            if row["soon"]:
                told += f"; its end is {row['until']}{_days(patient, row['name'])}"
            yield Finding("warn" if row["soon"] else "error", "certificates", told, _INSTALL)
        else:
            told = f"certificate {row['name']} is good until {row['until']}{_days(patient, row['name'])}"
            yield Finding("ok", "certificates", told)
    for host in patient.hosts:
        shown = next((one for one in patient.identities if one.covers(host)), None)
        if shown is None:
            told = f"no certificate is for {host}, one of our names"
            yield Finding("error" if rows else "info", "certificates", told, _INSTALL)
        elif fault := _distrust([X509.from_cryptography(one) for one in shown.chain]):
            told = f"the certificate for {host} is believed only by who was given its authority ({fault})"
            yield Finding("info", "certificates", told, "have a public one: xtramail cert csr " + host)


def _days(patient: Patient, name: object) -> str:
    """For people: how long, and for whom."""
    for one in patient.identities:
        if one.name == name:
            return f", {(one.not_after - patient.now) / 86_400:.0f} days from now, for {', '.join(one.names[:5])}"
    return ""


def _distrust(chain: list[X509]) -> str:
    """Why the machine's own authorities do not vouch for a chain; time is looked at elsewhere."""
    store = X509Store()
    paths = ssl.get_default_verify_paths()
    try:
        store.load_locations(paths.cafile, paths.capath)
        X509StoreContext(store, chain[0], chain=chain[1:]).verify_certificate()
    except X509StoreContextError as error:
        return str(error.errors[2]) if "expired" not in str(error.errors[2]) else ""
    except Exception:
        return ""
    return ""
