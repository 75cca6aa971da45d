"""What an IMAP connection offers and how much it takes (numbers of the limits table in the documentation)."""

from __future__ import annotations

from dataclasses import dataclass, field

# Order is that of the CAPABILITY answer. SASL mechanisms, STARTTLS and LOGINDISABLED are added by the connection.
BASE_CAPABILITIES: tuple[str, ...] = (
    "IMAP4rev1",
    "IMAP4rev2",
    "LITERAL+",
    "SASL-IR",
    "ID",
    "ENABLE",
    "IDLE",
    "NAMESPACE",
    "CHILDREN",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "SPECIAL-USE",
    "SORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "MULTIAPPEND",
    "REPLACE",
    "UTF8=ACCEPT",
    "COMPRESS=DEFLATE",
    "BINARY",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "CONDSTORE",
    "QRESYNC",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "PARTIAL",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "APPENDLIMIT",
    "OBJECTID",
    "SAVEDATE",
    "PREVIEW",
    "CREATE-SPECIAL-USE",
    "INPROGRESS",
)

# Capabilities that the parser knows beyond the base: naming one in the configuration opens its syntax.
KNOWN_EXTENSIONS: frozenset[str] = frozenset(
    {
        "LITERAL-",
    }
)

# What IMAP4rev2 is made of (RFC 9051 Appendix E): hidden one by one, it cannot be offered as a whole.
PARTS_OF_REV2: frozenset[str] = frozenset(
    {
        "SASL-IR",
        "ENABLE",
        "IDLE",
        "NAMESPACE",
        "CHILDREN",
        "UNSELECT",
        "UIDPLUS",
        "MOVE",
        "BINARY",
        "ESEARCH",
        "SEARCHRES",
        "LIST-EXTENDED",
        "LIST-STATUS",
        "STATUS=SIZE",
        "SPECIAL-USE",
    }
)

# Those that ENABLE can switch on (RFC 5161 §4): as a client names them in capitals, and by their name here.
ENABLEABLE: dict[str, str] = {
    "CONDSTORE": "CONDSTORE",
    "QRESYNC": "QRESYNC",
    "UTF8=ACCEPT": "UTF8=ACCEPT",
    "IMAP4REV2": "IMAP4rev2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Octets unless said otherwise."""

    line_before_login: int = 40 * 1024
    """ID may come with 30 fields of 1024 octets (RFC 2971 §3.3)."""
    line: int = 64 * 1024
    literal_before_login: int = 4 * 1024
    literal: int = 64 * 1024
    """One literal, and all literals of one command together."""
    append: int = 50 * 1024 * 1024
    swallow_before_login: int = 64 * 1024
    swallow: int = 1024 * 1024
    """Of a command already refused, this much is read past before the connection is closed."""
    depth: int = 32
    """Of SEARCH, the one grammar that nests without end; before login none nests deeper than one list."""
    atoms: int = 10_000
    ranges: int = 1_000
    errors: int = 20
    """Syntax errors with no command between that is OK, or before login; the last one is answered with BYE."""
    chunk: int = 64 * 1024
    """Largest LiteralChunk."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImapServerConfig:
    """``tls_active``: TLS since the first octet (port 993). ``starttls``: offered while TLS is not active.

    Each is itself alone: what follows from it is looked up by it five times a session, and to hash all fields took 1 %.

    ``capabilities`` is what is offered after login, in the order it is told. What is not offered is a syntax error.
    """

    tls_active: bool
    starttls: bool = False
    capabilities: tuple[str, ...] = BASE_CAPABILITIES
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    limits: Limits = field(default_factory=Limits)
