"""Which capabilities a connection tells and takes, in which state (RFC 3501 §6.1.1, §6.2.1)."""

from __future__ import annotations

from functools import lru_cache

from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.config import PARTS_OF_REV2, ImapServerConfig
from xtramail.wire.imap.rules import Rules
from xtramail.wire.imap.search_parser import SearchRules
from xtramail.wire.imap.sort_commands import Sort
from xtramail.wire.imap.utf7 import Spelling

# What means nothing without another: an account that has the one hidden is not offered the other either.
_NEEDS: dict[str, frozenset[str]] = {
    "IMAP4rev2": PARTS_OF_REV2,
    "CONDSTORE": frozenset({"ENABLE"}),
    "QRESYNC": frozenset({"CONDSTORE"}),
    "UTF8=ACCEPT": frozenset({"ENABLE"}),
    "SEARCHRES": frozenset({"ESEARCH"}),
    "PARTIAL": frozenset({"ESEARCH"}),
    "LIST-STATUS": frozenset({"LIST-EXTENDED"}),
    "CREATE-SPECIAL-USE": frozenset({"SPECIAL-USE"}),
}
_NOTHING: frozenset[str] = frozenset()
_KEPT = 256
"""Combinations of what is configured, hidden and enabled: a few in practice, and each connection asks four times."""


@lru_cache(_KEPT)
def offered(config: ImapServerConfig, hidden: frozenset[str]) -> tuple[str, ...]:
    """All that is offered after login and not hidden (names in capitals) from this client, in the order it is told."""
    gone = frozenset(name for name in config.capabilities if name.upper() in hidden)
    while fresh := {name for name in config.capabilities if _NEEDS.get(name, _NOTHING) & gone} - gone:
        gone |= fresh
    return tuple(name for name in config.capabilities if name not in gone)


@lru_cache(_KEPT)
def rules(config: ImapServerConfig, hidden: frozenset[str], enabled: frozenset[str] = _NOTHING) -> Rules:
    """What the parser takes: all that is offered and not hidden from this client, spelled as it has ``enabled``."""
    names = frozenset(offered(config, hidden))
    search = SearchRules(
        depth=config.limits.depth,
        ranges=config.limits.ranges,
        offered=names,
        takes_charset="UTF8=ACCEPT" not in enabled,
    )
    return Rules(offered=names, limits=config.limits, search=search, spelling=spelling_of(enabled))


def spelling_of(enabled: frozenset[str]) -> Spelling:
    """Of mailbox names, both ways (RFC 6855 §3, RFC 9051 §5.1)."""
    return Spelling.UTF8 if enabled & {"UTF8=ACCEPT", "IMAP4rev2"} else Spelling.UTF7


@lru_cache(_KEPT)
def capabilities(
    config: ImapServerConfig, *, hidden: frozenset[str], tls_active: bool, authenticated: bool
) -> tuple[str, ...]:
    """In the order they are told. Before login also how to log in: mechanisms under TLS, else LOGINDISABLED."""
    names = [
        f"APPENDLIMIT={config.limits.append}" if name == "APPENDLIMIT" else name
        for name in offered(config, hidden)
    ]
    if not authenticated:
        if tls_active:
            names += [f"AUTH={mechanism}" for mechanism in config.mechanisms]
        else:
            names += ["STARTTLS", "LOGINDISABLED"] if config.starttls else ["LOGINDISABLED"]
    return tuple(names)


_MAY_USE_CONDSTORE = frozenset(
    {
        commands.Select, commands.Examine, commands.Enable, commands.Fetch, commands.Store, commands.Search, Sort,
        commands.List, commands.Status,
    }
)  # fmt: skip


def uses_condstore(command: Command) -> bool:
    """Does the command make the client CONDSTORE-aware (RFC 7162 §3.1)?"""
    if type(command) not in _MAY_USE_CONDSTORE:
        return False
    if isinstance(command, (commands.Select, commands.Examine)):
        return command.condstore or command.resync is not None
    if isinstance(command, commands.Enable):
        return not {"CONDSTORE", "QRESYNC"}.isdisjoint(command.capabilities)
    if isinstance(command, commands.Fetch):
        return command.changed_since is not None or "CONDSTORE" in command.items.needs
    if isinstance(command, commands.Store):
        return command.unchanged_since is not None
    if isinstance(command, (commands.Search, Sort)):
        return command.uses_modseq
    if isinstance(command, commands.List):
        return commands.StatusItem.HIGHESTMODSEQ in command.status
    return isinstance(command, commands.Status) and commands.StatusItem.HIGHESTMODSEQ in command.items
