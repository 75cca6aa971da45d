"""Settings of a domain beyond its route: every name once, with its default, its rule and one line that explains it.

``domains`` stores them, the command line lists them from here; whoever acts on one reads it with :func:`text`,
:func:`switch`, :func:`seconds` or :func:`count`. A value is kept as the text that a person wrote, made regular.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xtramail.directory import (
    alert_settings,
    forwarding_names,
    imap_access,
    journal_addresses,
    relay_clients,
    sending_limits,
)
from xtramail.directory.precedence import counts
from xtramail.model.address import Address
from xtramail.model.duration import duration_text, parse_duration
from xtramail.model.errors import BadInput
from xtramail.store.records import Account, DomainRow

Rule = Callable[[str], str]
"""Takes what a person wrote and gives it back regular; ValueError (or BadInput) with the rule."""


@dataclass(frozen=True, slots=True)
class DomainSetting:
    name: str
    default: str
    rule: Rule
    form: str
    """What the value looks like: ``on|off``, ``TIME``."""
    doc: str
    secret: bool = False
    """Read from standard input, never shown."""


def _one_of(*words: str) -> Rule:
    def rule(value: str) -> str:
        if value not in words:
            raise ValueError(f"choose one of {', '.join(words)}")
        return value

    return rule


def _number(lowest: int, highest: int) -> Rule:
    def rule(value: str) -> str:
        if not value.isascii() or not value.isdigit() or len(value) > 10 or not lowest <= int(value) <= highest:
            raise ValueError(f"a number from {lowest} to {highest}")
        return str(int(value))

    return rule


def _time(shortest: float) -> Rule:
    def rule(value: str) -> str:
        seconds = parse_duration(value)
        if seconds < shortest:
            raise ValueError(f"at least {duration_text(shortest)}")
        return duration_text(seconds)

    return rule


def _line(value: str) -> str:
    if not value.isprintable() or len(value) > 200:
        raise ValueError("one line of at most 200 characters")
    return value.strip()


def _address(value: str) -> str:
    if value:
        Address.parse(value)
    return value


ON_OFF = _one_of("on", "off")

SETTINGS: dict[str, DomainSetting] = {
    one.name: one
    for one in (
        DomainSetting("contact", "", _address, "ADDRESS", "who gets postmaster's mail of a local domain"),
        DomainSetting("plus-addressing", "on", ON_OFF, "on|off", "mail for ann+x is ann's, unless ann+x is listed"),
        DomainSetting(
            forwarding_names.AS,
            "",
            forwarding_names.name_of,
            "DOMAIN",
            "in whose name aliases forward to the world: one served here as which nobody writes; empty: its own",
        ),
        DomainSetting("card-contact", "", _line, "TEXT", "whom users ask, as their card says it; else contact"),
        DomainSetting("card-on-down", "off", ON_OFF, "on|off", "on down, users get their card at an outside address"),
        DomainSetting("recovered", "on", ON_OFF, "on|off", "users see what they deleted in a mailbox `Recovered`"),
        DomainSetting(
            "users-live",
            "there",
            _one_of("there", "here"),
            "there|here",
            "here: users' mailboxes are here alone; only others' mail goes to the primary",
        ),
        DomainSetting(
            "inside-hosts", "off", ON_OFF, "on|off", "of a tenant's domain: its hosts may lie in our own network"
        ),
        DomainSetting("wait-for-ok", "off", ON_OFF, "on|off", "after an outage nothing is given back until `release`"),
        DomainSetting("outage-faults", "3", _number(1, 100), "N", "so many faults in the window: the primary is down"),
        DomainSetting("outage-window", "1m", _time(0.1), "TIME", "the window in which faults are counted"),
        DomainSetting("outage-goods", "3", _number(1, 100), "N", "so many good answers in a row: it is back"),
        DomainSetting("outage-deferred", "3", _number(1, 100), "N", "4xx for so many good recipients is one fault"),
        DomainSetting("probe-idle", "1m", _time(0.1), "TIME", "how often an idle primary that is up is looked at"),
        DomainSetting("probe-busy", "15s", _time(0.1), "TIME", "how often one is looked at that failed"),
        DomainSetting(
            relay_clients.FROM, "", relay_clients.networks, "CIDR,...", "who may send to the world for this domain"
        ),
        DomainSetting(
            relay_clients.CERTIFICATE,
            "",
            relay_clients.certificates,
            "SHA256|NAME,...",
            "the same by the client's certificate: its fingerprint, or a name in it",
        ),
        DomainSetting(relay_clients.AUTHORITIES, "", str, "FILE", "PEM file of who vouches for such a name"),
        DomainSetting(
            journal_addresses.ADDRESS, "", journal_addresses.address, "ADDRESS", "where its own server sends copies"
        ),
        DomainSetting(
            journal_addresses.FROM,
            "",
            relay_clients.networks,
            "CIDR,...",
            "from where they come, beside relay-from; may be shared",
        ),
        DomainSetting("relay-rate", "3000", _number(1, 1_000_000), "N", "most recipients an hour of what they send"),
        DomainSetting(
            sending_limits.RATE,
            sending_limits.RATE_DEFAULT,
            _number(0, sending_limits.MOST),
            "N",
            "most recipients outside in an hour of one user; 0: any number",
        ),
        DomainSetting(
            sending_limits.OVER,
            sending_limits.OVER_DEFAULT,
            _one_of("block", "defer"),
            "block|defer",
            "over it: may send nothing outside until released, or has to wait",
        ),
        DomainSetting(
            sending_limits.REFUSED,
            sending_limits.REFUSED_DEFAULT,
            _number(0, sending_limits.MOST),
            "N",
            "so many of a user's recipients refused in an hour: blocked, too; 0: never",
        ),
        DomainSetting(
            sending_limits.SIZE,
            "",
            sending_limits.size,
            "SIZE",
            "largest message of one user, such as 20MiB, within the server's own limit; empty: that",
        ),
        DomainSetting(
            "sent-back",
            "always",
            _one_of("always", "outage", "never"),
            "always|outage|never",
            "what users send goes to their own mailbox at the primary, too",
        ),
        DomainSetting("sent-back-by", "smtp", _one_of("smtp", "imap"), "smtp|imap", "as mail, or into Sent by IMAP"),
        DomainSetting(imap_access.HOST, "", imap_access.host, "HOST[:PORT]", "its IMAP: 993 with TLS, 143 STARTTLS"),
        DomainSetting(
            imap_access.LOGIN,
            imap_access.LOGIN_DEFAULT,
            imap_access.login,
            "TEXT",
            "who logs in there for a user, such as {address}*admin",
        ),
        DomainSetting(
            imap_access.MECHANISM,
            imap_access.MECHANISM_DEFAULT,
            _one_of("password", "plain", "xoauth2"),
            "password|plain|xoauth2",
            "how; plain: a service account acts for the user",
        ),
        DomainSetting(imap_access.SECRET, "", str, "-", "its password or token, from standard input", secret=True),
        DomainSetting("give-back-deleted", "off", ON_OFF, "on|off", "give back also what users deleted in the outage"),
        DomainSetting("replay-rate", "120", _number(1, 100_000), "N", "most messages a minute that a replay sends"),
        DomainSetting("guard-refusals", "on", ON_OFF, "on|off", "hold mail of good recipients that are refused"),
        DomainSetting("guard-known", "7d", _time(0), "TIME", "a recipient known so long is good"),
        DomainSetting("guard-surge", "5", _number(1, 1_000), "N", "refusals of so many recipients are the primary's"),
        DomainSetting("guard-window", "10m", _time(0.1), "TIME", "the window in which refusals are counted"),
        DomainSetting("canary", "", _address, "ADDRESS", "a recipient that probes put to the primary; empty: none"),
        DomainSetting("canary-round-trip", "off", ON_OFF, "on|off", "send the canary mail, and look for it by IMAP"),
        DomainSetting("canary-every", "15m", _time(1), "TIME", "how often"),
        DomainSetting("canary-time", "5m", _time(1), "TIME", "not there so long after the primary took it: a fault"),
        DomainSetting(
            "alert-mail", "", alert_settings.addresses, "ADDRESS,...", "who is told of its outages; elsewhere than here"
        ),
        DomainSetting(
            "alert-webhook", "", alert_settings.webhook, "URL", "where alerts are posted; http only to this machine"
        ),
        DomainSetting(
            "alert-secret", "", alert_settings.secret, "-", "signs what is posted; generated when there is none", True
        ),
    )
}


OF_USERS = ("recovered", "sent-back", "give-back-deleted", sending_limits.RATE, sending_limits.SIZE)
"""Those that a user may have otherwise than his domain."""


def regular(name: str, value: str) -> str:
    """``value`` as it is kept; BadInput names the setting and its rule. Empty stands for the default."""
    setting = SETTINGS[name]
    if not value:
        return ""
    try:
        return setting.rule(value)
    except ValueError as error:
        shown = "" if setting.secret else f" {value!r}"
        raise BadInput(f"{name}{shown}: {error}") from None


def text(row: DomainRow, name: str, user: Account | None = None) -> str:
    """What the domain has, else the default; before both what ``user`` has, where he may (OF_USERS)."""
    one = SETTINGS[name]
    return counts(name, user=user if name in OF_USERS else None, domain=row, default=one.default)


def switch(row: DomainRow, name: str, user: Account | None = None) -> bool:
    return text(row, name, user) == "on"


def count(row: DomainRow, name: str) -> int:
    return int(text(row, name))


def seconds(row: DomainRow, name: str) -> float:
    return parse_duration(text(row, name))
