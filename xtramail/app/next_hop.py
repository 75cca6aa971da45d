"""A look at a primary from here: whether it greets us, and what its TLS is worth. Sends no mail."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from typing import Literal

from xtramail.app.greeting import CONNECT_SECONDS, first_line, greeting, reason_of

TlsWorth = Literal["verified", "any", "none", "unknown"]
"""``verified``: chain and name are good. ``any``: it is encrypted, by whomever."""


@dataclass(frozen=True, slots=True)
class NextHop:
    host: str
    port: int
    fault: str
    """Empty: it greets."""
    tls: TlsWorth = "unknown"
    tls_fault: str = ""
    """What keeps it from being verified."""


def look_at(host: str, port: int) -> NextHop:
    """Whether it greets as a mail server."""
    try:
        said = greeting((host, port))
    except OSError as error:
        return NextHop(host, port, reason_of(error))
    return NextHop(host, port, "" if said.startswith(b"220") else f"says {first_line(said)!r}")


def look_closely(host: str, port: int, *, name: str, authorities: str) -> NextHop:
    """As :func:`look_at`, and with its TLS. ``name`` is ours; ``authorities`` a PEM file, empty: the machine's."""
    found = look_at(host, port)
    if found.fault:
        return found
    try:
        context = ssl.create_default_context(cafile=authorities or None)
    except OSError as error:
        return NextHop(host, port, "", "unknown", f"{authorities}: {reason_of(error)}")
    worth, fault = _tls(host, port, name, context)
    if worth == "any":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        worth, _ = _tls(host, port, name, context)
        worth = "any" if worth == "verified" else "unknown"
    return NextHop(host, port, "", worth, fault)


def _tls(host: str, port: int, name: str, context: ssl.SSLContext) -> tuple[TlsWorth, str]:
    """``any`` when the certificate is what is wrong."""
    try:
        with smtplib.SMTP(host, port, local_hostname=name, timeout=CONNECT_SECONDS) as client:
            client.ehlo()
            if not client.has_extn("starttls"):
                return "none", "it offers no STARTTLS"
            client.starttls(context=context)
            return "verified", ""
    except ssl.SSLCertVerificationError as error:
        return "any", error.verify_message
    except (OSError, smtplib.SMTPException) as error:
        return "unknown", str(error) or type(error).__name__
