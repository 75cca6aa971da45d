"""Plays a client's octets to a connection, whole or in pieces, and answers every command OK as a session would."""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.wire.imap.append_commands import AppendMore
from xtramail.wire.imap.commands import Append, Command, Idle, StartTls
from xtramail.wire.imap.config import BASE_CAPABILITIES, KNOWN_EXTENSIONS, ImapServerConfig, Limits
from xtramail.wire.imap.events import Answered, Event, LiteralAborted, LiteralChunk, LiteralEnd, Need
from xtramail.wire.imap.server import ImapServerConnection
from xtramail.wire.imap.status import Tagged, ok

EVERYTHING = tuple(dict.fromkeys((*BASE_CAPABILITIES, *sorted(KNOWN_EXTENSIONS), "BINARY")))


def fresh(
    *,
    tls_active: bool = True,
    starttls: bool = False,
    capabilities: tuple[str, ...] = BASE_CAPABILITIES,
    limits: Limits | None = None,
) -> ImapServerConnection:
    return ImapServerConnection(
        ImapServerConfig(tls_active=tls_active, starttls=starttls, capabilities=capabilities, limits=limits or Limits())
    )


def logged_in(
    *, capabilities: tuple[str, ...] = BASE_CAPABILITIES, limits: Limits | None = None
) -> ImapServerConnection:
    connection = fresh(capabilities=capabilities, limits=limits)
    play(connection, b"l LOGIN ann secret\r\n")
    return connection


def selected(
    *, capabilities: tuple[str, ...] = BASE_CAPABILITIES, limits: Limits | None = None
) -> ImapServerConnection:
    connection = logged_in(capabilities=capabilities, limits=limits)
    play(connection, b"s SELECT INBOX\r\n")
    return connection


def events(connection: ImapServerConnection) -> Iterator[Event]:
    while not isinstance(event := connection.next_event(), Need):
        yield event


def play(
    connection: ImapServerConnection,
    octets: bytes,
    *,
    piece: int | None = None,
    answer: Tagged | None = None,
    refuse: Tagged | None = None,
) -> list[object]:
    """What happened, in order: commands, chunks joined as bytearray, and bytes written by the server.

    ``answer`` completes commands (OK otherwise); ``refuse`` is said to an APPEND instead of accepting it.
    """
    happened: list[object] = []
    step = piece or len(octets) or 1
    for at in range(0, len(octets), step):
        connection.feed(octets[at : at + step])
        for event in events(connection):
            if isinstance(event, Answered):
                happened.append(event.octets)
            elif isinstance(event, LiteralChunk):
                if happened and isinstance(happened[-1], bytearray):
                    happened[-1] += event.octets
                else:
                    happened.append(bytearray(event.octets))
            elif isinstance(event, LiteralEnd):
                happened.append(connection.send(answer or ok("done")))
            elif isinstance(event, LiteralAborted):
                happened.append(event)
            elif isinstance(event, Append) and refuse is not None:
                happened += [event, connection.send(refuse)]
            elif isinstance(event, (Append, AppendMore, Idle)):
                happened += [event, connection.accept()]
            elif isinstance(event, Command):
                happened += [event, connection.send(answer or ok("done"))]
                if isinstance(event, StartTls):
                    connection.tls_started()
    return happened


def written(happened: list[object]) -> bytes:
    """Everything the server wrote."""
    return b"".join(thing for thing in happened if type(thing) is bytes)


def parsed(line: bytes, *, capabilities: tuple[str, ...] = EVERYTHING) -> Command:
    """The one command a line (without CRLF) means in a selected mailbox."""
    happened = play(selected(capabilities=capabilities), line + b"\r\n")
    commands = [thing for thing in happened if isinstance(thing, Command)]
    assert len(commands) == 1, happened
    return commands[0]


def answered(line: bytes, *, capabilities: tuple[str, ...] = EVERYTHING) -> bytes:
    """What the connection itself answers to a line (without CRLF) in a selected mailbox."""
    happened = play(selected(capabilities=capabilities), line + b"\r\n")
    assert not any(isinstance(thing, Command) for thing in happened), happened
    return written(happened)
