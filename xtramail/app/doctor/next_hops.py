"""Whether primaries answer, what their TLS is worth, and whether they know their own recipients."""

from __future__ import annotations

import secrets
import smtplib
import ssl
from collections.abc import Iterator
from functools import partial

from xtramail.app.doctor.finding import Finding
from xtramail.app.doctor.listening import Job
from xtramail.app.doctor.patient import Patient
from xtramail.app.greeting import CONNECT_SECONDS, reason_of
from xtramail.app.next_hop import NextHop, look_closely
from xtramail.directory.domains import host_text
from xtramail.store.records import DomainRow


def primaries(patient: Patient) -> list[tuple[str, Job]]:
    """A job for each, with what it is about."""
    name = patient.hosts[0]
    return [
        (f"{row.name}: primary {host_text(*place)}", partial(_primary, row, place, name))
        for row in patient.domains
        for place in row.primaries
    ]


def _primary(row: DomainRow, place: tuple[str, int], name: str) -> Iterator[Finding]:
    what = f"{row.name}: primary {host_text(*place)}"
    found = look_closely(*place, name=name, authorities=row.primary_ca)
    if found.fault:
        remedy = "its mail is kept until it answers; check that host"
        yield Finding("error", "primary", f"{what}: {found.fault}", remedy)
        return
    yield Finding("ok", "primary", f"{what} answers")
    yield _tls(row, place, found)
    if row.recipients == "ask":
        yield _asked(row, place, name)


def _tls(row: DomainRow, place: tuple[str, int], found: NextHop) -> Finding:
    what = f"{row.name}: TLS of {host_text(*place)}"
    if found.tls == "verified":
        return Finding("ok", "primary-tls", f"{what} is good, chain and name")
    if row.primary_tls == "verify":
        remedy = "mend that certificate, or name its authority: xtramail domain set --help, primary-ca="
        return Finding("error", "primary-tls", f"{what}: {found.tls_fault}: its mail waits (primary-tls)", remedy)
    if found.tls == "any":
        told = f"{what} encrypts, by a certificate that nobody vouches for: {found.tls_fault}"
        return Finding("ok" if row.primary_tls == "required" else "info", "primary-tls", told)
    if row.primary_tls == "required":
        remedy = "let it offer STARTTLS"
        return Finding("error", "primary-tls", f"{what}: {found.tls_fault}: its mail waits (primary-tls)", remedy)
    told = f"{what}: {found.tls_fault}: mail goes to it in clear"
    return Finding("ok" if row.primary_tls == "none" else "info", "primary-tls", told)


def _asked(row: DomainRow, place: tuple[str, int], name: str) -> Finding:
    """A made-up recipient is put to it; no mail is sent."""
    what = f"{row.name}: {host_text(*place)}"
    nobody = f"xtramail-doctor-{secrets.token_hex(6)}@{row.name}"
    try:
        with smtplib.SMTP(*place, local_hostname=name, timeout=CONNECT_SECONDS) as client:
            client.ehlo()
            if client.has_extn("starttls") and row.primary_tls != "none":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                client.starttls(context=context)
                client.ehlo()
            client.mail("")
            code, answer = client.rcpt(nobody)
            client.rset()
    except OSError as error:
        remedy = "let it answer us at RCPT, or list recipients: recipients=listed"
        return Finding("warn", "recipients", f"{what} does not answer for its recipients: {reason_of(error)}", remedy)
    if 200 <= code < 300:
        told = f"{what} takes recipients that do not exist: whoever is guessed becomes a user here"
        remedy = f"let it refuse unknown recipients at RCPT, or: xtramail domain set {row.name} recipients=listed"
        return Finding("warn", "recipients", told, remedy)
    if code >= 500:
        return Finding("ok", "recipients", f"{what} refuses recipients that do not exist")
    text = answer.decode("ascii", "replace").partition("\n")[0]
    remedy = "let it not greylist or limit us: new recipients wait until it answers"
    return Finding("warn", "recipients", f"{what} puts off questions for recipients: {code} {text}", remedy)
