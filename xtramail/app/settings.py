"""Every setting of the server: its section, name, default, kind and one line of documentation.

The one place that knows them: the documented file, the plugin's options and the loader are all made from these classes.
Times are seconds, sizes are octets, whatever way a person wrote them. Defaults are given a reason where one is needed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from xtramail.app.setting_kinds import (
    ADDRESSES,
    CLIENT_MASKS,
    DURATION,
    DURATIONS,
    ENDPOINTS,
    HOOK,
    HOST_NAMES,
    HOST_PORT,
    NAME_SERVER,
    OPTIONAL_PATH,
    PATH,
    SECRET,
    SIZE,
    SWITCH,
    Kind,
    choice,
    number,
)
from xtramail.model.secret import Secret
from xtramail.wire.imap.client_masks import ClientMask

T = TypeVar("T")
_MINUTE = 60.0
_HOUR = 3600.0
_DAY = 86400.0


def setting(kind: Kind[Any], default: T, doc: str, option: str = "") -> T:
    """A field of a section; ``option`` is the plugin's own option for it (``--set`` reaches every setting)."""
    described: T = field(default=default, metadata={"kind": kind, "doc": doc, "option": option})
    return described


@dataclass(frozen=True, slots=True)
class Server:
    """Who we are."""

    hostname: tuple[str, ...] = setting(
        HOST_NAMES, (), "Names of this server; the first greets. Empty: the machine's own name.", "hostname"
    )
    drain: float = setting(DURATION, 30.0, "How long open connections may finish after SIGTERM.")
    direct_tls: bool = setting(
        SWITCH, True, "TLS straight on the socket. Off: Twisted's own, which takes more memory and time."
    )


@dataclass(frozen=True, slots=True)
class Listen:
    """Where we listen: endpoints of sockets, [] for none. tcp6 takes IPv6 and IPv4, tcp IPv4 only; TLS is our own."""

    smtp: tuple[str, ...] = setting(ENDPOINTS, ("tcp6:25",), "Mail from the world; STARTTLS, never a login.", "smtp")
    submission: tuple[str, ...] = setting(
        ENDPOINTS, ("tcp6:587",), "Mail from our users, after STARTTLS and a login.", "submission"
    )
    submissions: tuple[str, ...] = setting(
        ENDPOINTS, ("tcp6:465",), "Mail from our users, TLS from the first octet.", "submissions"
    )
    lmtp: tuple[str, ...] = setting(
        ENDPOINTS,
        (),
        'Copies from a local MTA, such as "unix:/run/xtramail/lmtp"; they go into mailboxes only.',
        "lmtp",
    )
    imaps: tuple[str, ...] = setting(ENDPOINTS, ("tcp6:993",), "Mailboxes, TLS from the first octet.", "imaps")
    imap: tuple[str, ...] = setting(
        ENDPOINTS, (), 'The same for old programs, such as "tcp6:143"; STARTTLS before a login.'
    )
    pop3s: tuple[str, ...] = setting(
        ENDPOINTS, ("tcp6:995",), "INBOX over POP3, TLS from the first octet.", "pop3s"
    )
    pop3: tuple[str, ...] = setting(
        ENDPOINTS, (), 'The same for old programs, such as "tcp6:110"; STLS before a login.'
    )
    metrics: tuple[str, ...] = setting(
        ENDPOINTS,
        ("tcp:9425:interface=127.0.0.1",),
        "Prometheus metrics, for anyone who can connect: keep it on loopback.",
        "metrics",
    )


@dataclass(frozen=True, slots=True)
class Store:
    """Where mail is kept."""

    path: Path = setting(PATH, Path("/var/lib/xtramail"), "Folder of the store.", "store")
    map_size: int = setting(SIZE, 1 << 40, "Address space reserved for the store at start; disk is used as mail comes.")
    reserve_percent: int = setting(number(0, 50), 5, "Mail is refused (452) below this share of free disk.")
    group_jobs: int = setting(number(1, 4096), 256, "Most write jobs in one commit.")
    group_size: int = setting(SIZE, 4 << 20, "Most octets in one commit.")


@dataclass(frozen=True, slots=True)
class Certificates:
    """TLS certificates, served by name."""

    path: Path | None = setting(
        OPTIONAL_PATH,
        None,
        "Folder of NAME.crt with NAME.key, or of certbot's live/NAME. Empty: certificates in the store's folder.",
        "certificates",
    )
    check: float = setting(DURATION, 30.0, "How often the folder is looked at for new files.")
    rotate: float = setting(DURATION, 12 * _HOUR, "How often session ticket keys are thrown away.")
    smtp_tickets: bool = setting(SWITCH, True, "Session tickets on port 25; some senders fail on them.")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept; a domain can have its own days."""

    days: int = setting(number(1, 3650), 30, "Days that mail is kept, counted from its arrival.", "retention-days")
    log_days: int = setting(
        number(1, 3650), 14, "Days that the message log is kept, never fewer than mail may be held.", "log-days"
    )


@dataclass(frozen=True, slots=True)
class Relay:
    """Handing mail to primaries, smarthosts and the world."""

    retry: tuple[float, ...] = setting(
        DURATIONS,
        (_MINUTE, 2 * _MINUTE, 4 * _MINUTE, 8 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
        "Waits between attempts; the last one repeats.",
    )
    jitter_percent: int = setting(number(0, 100), 20, "Each wait is this much longer or shorter, by chance.")
    hold_days: int = setting(
        number(1, 365), 14, "Days that mail waits for its primary before its sender is told.", "hold-days"
    )
    concurrency: int = setting(number(1, 100), 5, "Most connections to one destination.")
    tls: str = setting(
        choice("none", "opportunistic", "required", "verify"),
        "opportunistic",
        "TLS to hosts without a setting of their own.",
    )
    smarthost: str = setting(HOST_PORT, "", "Host for mail to the world, HOST[:PORT]; empty: the MX of each domain.")
    connect_timeout: float = setting(DURATION, 10.0, "A primary that takes longer counts as away.")
    greeting_timeout: float = setting(DURATION, 60.0, "Wait for the greeting and for the reply to EHLO.")
    command_timeout: float = setting(DURATION, 300.0, "Wait for the reply to MAIL and RCPT.")
    data_timeout: float = setting(DURATION, 120.0, "Wait for the reply to DATA.")
    block_timeout: float = setting(DURATION, 180.0, "Wait for the peer to take the next block.")
    final_timeout: float = setting(DURATION, 600.0, "Wait for the reply to the final dot (RFC 5321 4.5.3.2.6).")


@dataclass(frozen=True, slots=True)
class Dns:
    """A name server that is trusted, by whose word domains of the world are held to DANE and MTA-STS."""

    validating: str = setting(
        NAME_SERVER,
        "",
        "One that checks DNSSEC, such as 127.0.0.1. Empty: none, and TLS to the world is as relay.tls has it.",
    )
    remote: bool = setting(
        SWITCH, False, "It may be on another machine: nobody on the way there can change what it says."
    )
    authorities: Path | None = setting(
        OPTIONAL_PATH, None, "PEM file of authorities to believe for MTA-STS. Empty: the system's."
    )


@dataclass(frozen=True, slots=True)
class Ask:
    """Recipients that are learned by asking the primary."""

    timeout: float = setting(DURATION, 5.0, "One question; no answer in this time is 450 to the sender.")
    total: float = setting(DURATION, 30.0, "All questions of one message.")
    per_message: int = setting(number(0, 1000), 10, "Most questions of one message.")
    keep_yes: float = setting(DURATION, 14 * _DAY, "How long a yes is believed.")
    keep_no: float = setting(DURATION, _HOUR, "How long a no is believed.")


_COUNT = number(0, 1_000_000)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may use. 0 switches a limit of connections off."""

    connections: int = setting(_COUNT, 10_000, "Open connections of one service; cut to what descriptors allow.")
    unauthenticated_per_address: int = setting(
        _COUNT, 50, "Connections of one address (/64 for IPv6) that have not logged in."
    )
    new_per_minute: int = setting(_COUNT, 300, "New connections of one address in a minute.")
    logged_in_per_account: int = setting(_COUNT, 60, "Logged-in connections of one account.")
    handshakes_per_address: int = setting(_COUNT, 20, "TLS handshakes of one address at a time; more wait.")
    message_size: int = setting(SIZE, 50 << 20, "Largest message, told as SIZE and APPENDLIMIT.", "max-message-size")
    recipients: int = setting(
        number(100, 100_000), 1000, "Recipients of one message (at least 100: RFC 5321 4.5.3.1.8)."
    )
    received_hops: int = setting(number(10, 1000), 100, "Received fields that make a message a loop.")
    errors_delay: int = setting(number(1, 1000), 10, "Mistakes of a client before each answer waits a second.")
    errors_close: int = setting(number(1, 1000), 20, "Mistakes of a client before it is sent away.")
    idle_commands: int = setting(number(1, 10_000), 100, "Commands without progress before a client is sent away.")


@dataclass(frozen=True, slots=True)
class Imap:
    """What clients of IMAP are offered."""

    hide: tuple[ClientMask, ...] = setting(
        CLIENT_MASKS,
        (),
        'Capabilities hidden from clients by what they say in ID: ["name=Example*; version=1.*: IDLE, MOVE"].',
    )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait for clients."""

    handshake: float = setting(DURATION, 15.0, "TLS handshake.")
    smtp_command: float = setting(DURATION, 300.0, "Between two SMTP commands (5 minutes: RFC 5321 4.5.3.2.7).")
    smtp_stress: float = setting(DURATION, 10.0, "The same while over 80 % of connections are in use.")
    submission_login: float = setting(DURATION, 60.0, "From connecting to a login on the submission ports.")
    imap_login: float = setting(DURATION, 60.0, "From connecting to a login on IMAP.")
    imap_idle: float = setting(
        DURATION, 35 * _MINUTE, "Without a command on IMAP; RFC 9051 5.4 wants 30 minutes, phones idle for 29."
    )
    pop3_login: float = setting(DURATION, 60.0, "From connecting to a login on POP3.")
    pop3_idle: float = setting(
        DURATION, 10 * _MINUTE, "Without a command on POP3 (10 minutes at least: RFC 1939 3)."
    )
    rate_grace: float = setting(DURATION, 60.0, "Time before a slow message is measured.")
    rate_octets: int = setting(number(0, 1_000_000), 500, "Least octets a second of a message after that.")


@dataclass(frozen=True, slots=True)
class Login:
    """Passwords and guessing."""

    keys: Path | None = setting(
        OPTIONAL_PATH, None, "Keys that pepper passwords, kept apart from mail. Empty: passwords.key in the store."
    )
    bcrypt_cost: int = setting(number(4, 16), 12, "Work of one password check; 12 takes a quarter of a second.")
    threads: int = setting(number(0, 256), 0, "Threads that check passwords; 0: one for each core.")
    queue: int = setting(number(1, 100_000), 1024, "Most logins that wait for a check.")
    queue_per_account: int = setting(number(1, 1000), 4, "Most waiting logins of one account and address block.")
    wait: float = setting(DURATION, 30.0, "Longest wait for a check; then the client is told to try later.")
    least: float = setting(DURATION, 0.3, "A failed login is answered no sooner, so that time tells nothing.")
    remember: float = setting(DURATION, 24 * _HOUR, "How long a good password is known without another check.")
    failures_per_connection: int = setting(number(1, 100), 5, "Failed logins before a connection is closed.")
    failures_per_block: int = setting(number(1, 100_000), 50, "Failed logins of one address block in the window.")
    failures_per_account: int = setting(number(1, 100_000), 10, "Failed logins of one account from one address in it.")
    window: float = setting(DURATION, 10 * _MINUTE, "The window they are counted in.")


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told what happens to any domain and to the server; domains have such settings of their own."""

    mail: tuple[str, ...] = setting(
        ADDRESSES, (), 'Addresses outside of all domains served here, such as ["ops@example.org"].'
    )
    webhook: str = setting(HOOK, "", "URL that alerts are posted to; http only to this machine. Empty: none.")
    secret: Secret = setting(SECRET, Secret(""), "Signs what is posted, so that the receiver knows us.")
    authorities: Path | None = setting(
        OPTIONAL_PATH, None, "PEM file of authorities to believe for webhooks. Empty: the system's."
    )
    every: float = setting(DURATION, 5 * _MINUTE, "Least time between two mails about one kind of alert of a domain.")


@dataclass(frozen=True, slots=True)
class Log:
    """What happened: one JSON line an event."""

    file: Path | None = setting(OPTIONAL_PATH, None, "Opened again on SIGHUP. Empty: standard error.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections."""

    server: Server = Server()
    listen: Listen = Listen()
    store: Store = Store()
    certificates: Certificates = Certificates()
    retention: Retention = Retention()
    relay: Relay = Relay()
    dns: Dns = Dns()
    ask: Ask = Ask()
    limits: Limits = Limits()
    imap: Imap = Imap()
    timeouts: Timeouts = Timeouts()
    login: Login = Login()
    alerts: Alerts = Alerts()
    log: Log = Log()

    @property
    def certificate_folder(self) -> Path:
        """Where certificates are, absolute when the settings were loaded."""
        return self.certificates.path or self.store.path / "certificates"

    @property
    def tracking_days(self) -> int:
        """Days of the message log: never shorter than the life of a held message."""
        return max(self.retention.log_days, self.relay.hold_days + 1)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting described: ``section`` and ``attribute`` as in the classes, ``key`` as a person writes it."""

    section: str
    attribute: str
    kind: Kind[Any]
    default: Any
    doc: str
    option: str

    @property
    def name(self) -> str:
        return self.attribute.replace("_", "-")

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"XTRAMAIL_{self.section}_{self.attribute}".upper()

    @property
    def is_path(self) -> bool:
        return self.kind.name == "path"


def named(settings: Settings) -> Settings:
    """The settings with a host name: the machine's own where they have none."""
    if settings.server.hostname:
        return settings
    return replace(settings, server=replace(settings.server, hostname=(socket.getfqdn() or "localhost",)))


def _sections() -> Iterator[tuple[str, Any, tuple[Field[Any], ...]]]:
    defaults = Settings()
    for section in fields(defaults):
        value = getattr(defaults, section.name)
        yield section.name, value, fields(value)


def describe() -> tuple[Setting, ...]:
    """Every setting, in the order of the documented file."""
    return tuple(
        Setting(
            section=name,
            attribute=one.name,
            kind=one.metadata["kind"],
            default=getattr(section, one.name),
            doc=one.metadata["doc"],
            option=one.metadata["option"],
        )
        for name, section, described in _sections()
        for one in described
    )


def section_docs() -> dict[str, str]:
    """First line of each section's documentation."""
    return {name: str(type(section).__doc__).splitlines()[0] for name, section, _described in _sections()}
