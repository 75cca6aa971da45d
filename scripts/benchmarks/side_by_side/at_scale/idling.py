"""Many sessions in IDLE while mail comes in for their users: every message is told to those who wait for it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..client import Client
from ..cost import processor_seconds
from ..mail_servers import MailServer
from ..rows import Row, Sample
from ..smtp_load import Sender

_SETTLE = 0.1
"""Seconds for what a server does after its clients were told, such as to forget the message."""
_REST = 1.0
"""And until nothing of it is left to do: sessions may look again, half a second later."""
_ASLEEP = 2.0


def deliveries(
    server: MailServer, corpus: Sequence[bytes], users: Sequence[str], *, sessions: int, rounds: int
) -> dict[str, Row]:
    """``sessions`` of a running server share ``users``; each gets ``rounds`` times some messages, one a moment."""
    waiting: dict[str, list[Client]] = {user: [] for user in users}
    for number in range(sessions):
        client = Client(server.imap, server.context)
        user = users[number % len(users)]
        client.login(user)
        client.command(b"SELECT INBOX")
        client.send(b"IDLE")
        client.line()
        waiting[user].append(client)
    sender = Sender(server.port, corpus, tls=None)
    sender.send(len(users), users, connections=1)
    for clients in waiting.values():
        _told(clients)
    name = f"a delivery among {sessions:,} in IDLE, {sessions // len(users)} told"
    row = Row(name=name, unit="message")
    slept = Row(name=f"{sessions:,} in IDLE, nothing comes", unit="second")
    for _ in range(rounds):
        before, began = processor_seconds(*server.roots), time.perf_counter()
        sender.send(len(users), users, connections=1)
        for clients in waiting.values():
            _told(clients)
        took = time.perf_counter() - began
        time.sleep(_SETTLE)
        spent = processor_seconds(*server.roots) - before
        row.samples.append(Sample(cost=spent * 1e6 / len(users), rate=len(users) / took))
        time.sleep(_REST)
        before, began = processor_seconds(*server.roots), time.perf_counter()
        time.sleep(_ASLEEP)
        spent = (processor_seconds(*server.roots) - before) / (time.perf_counter() - began)
        slept.samples.append(Sample(cost=spent * 1e6, rate=0.0))
    for clients in waiting.values():
        for client in clients:
            client.close()
    return {row.name: row, slept.name: slept}


def _told(clients: Sequence[Client]) -> None:
    for client in clients:
        while not client.line().endswith(b"EXISTS"):
            pass
