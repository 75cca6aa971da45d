"""How a domain's mailboxes at its primary are reached over IMAP: host, login and credentials, out of its settings.

Owns the rules of these settings. Who connects, and what for, is ``net``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from xtramail.model.errors import BadInput
from xtramail.model.host import parse_host
from xtramail.model.secret import Secret
from xtramail.store.records import DomainRow

Mechanism = Literal["password", "plain", "xoauth2"]
HOST, LOGIN, MECHANISM, SECRET = "primary-imap", "primary-imap-login", "primary-imap-auth", "primary-imap-secret"
"""Names of the settings."""
LOGIN_DEFAULT = "{address}"
MECHANISM_DEFAULT: Mechanism = "password"
IMAPS_PORT = 993
STARTTLS_PORT = 143
_PLACES = ("{address}", "{local}", "{domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapAccess:
    """TLS and a good certificate are always asked for; ``starttls``: after STARTTLS, else from the first octet."""

    host: str
    port: int = IMAPS_PORT
    starttls: bool = False
    mechanism: Mechanism = MECHANISM_DEFAULT
    """``password``: the login's own, or a master user's. ``plain``: a service account acts for the user (SASL PLAIN
    with an authorization identity, RFC 4616). ``xoauth2``: a bearer token."""
    login: str = LOGIN_DEFAULT
    secret: Secret
    ca: str = ""
    """PEM file of the authorities to believe; empty: those of this machine."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def login_of(self, address: str) -> str:
        """Who logs in where the mailbox of ``address`` is wanted."""
        local, _, domain = address.rpartition("@")
        # One pass: what stands in an address must not be taken for a place.
        text, found = "", self.login
        while found:
            place = next((one for one in _PLACES if found.startswith(one)), "")
            text += {"{address}": address, "{local}": local, "{domain}": domain}.get(place, found[0])
            found = found[len(place) or 1 :]
        return text


def access_of(domain: DomainRow) -> ImapAccess | None:
    """None while host or secret are not set."""
    settings = domain.settings
    if not settings.get(HOST) or not settings.get(SECRET):
        return None
    host, port = parse_host(settings[HOST], IMAPS_PORT)
    return ImapAccess(
        host=host,
        port=port,
        starttls=port == STARTTLS_PORT,
        mechanism=cast(Mechanism, settings.get(MECHANISM) or MECHANISM_DEFAULT),
        login=settings.get(LOGIN) or LOGIN_DEFAULT,
        secret=Secret(settings[SECRET]),
        ca=domain.primary_ca,
    )


def host(value: str) -> str:
    """Rule of ``primary-imap``."""
    try:
        parse_host(value, IMAPS_PORT)
    except BadInput as error:
        raise ValueError(error.text) from None
    return value.strip()


def login(value: str) -> str:
    """Rule of ``primary-imap-login``."""
    if not value.isprintable() or len(value) > 500:
        raise ValueError("one line of at most 500 characters")
    rest = value
    for place in _PLACES:
        rest = rest.replace(place, "")
    if "{" in rest or "}" in rest:
        raise ValueError(f"the places in it are {', '.join(_PLACES)}")
    return value
