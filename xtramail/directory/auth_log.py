"""What is kept of logins, good and refused, for people to look through: bounded, so that no guesser fills the store.

A good login is written once an hour for each account, service, device and address block; refused ones a few times in
ten minutes for each name and block, and so many a minute in all. What was left out is counted in the next row. Rows
are in the message log's day and go with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

from xtramail.directory.desk import Desk
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store import auth_events, keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import Account, AuthEvent

GOOD_EVERY = 3_600.0
REFUSED_WINDOW, REFUSED_MOST = 600.0, 5
"""Seconds, and rows in them for one name from one address block."""
MINUTE, MOST_IN_A_MINUTE = 60.0, 120
_ENTRIES = 50_000
_LONGEST = 320


class AuthLog:
    """Written behind a login's back: nobody waits for it, one commit takes all that has gathered."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Begin (monotonic) of each window, and the rows in it."""
        self._left_out = 0
        self._waiting: list[AuthEvent] = []
        self._writing = False

    def good(self, account: Account, peer: Peer, service: str) -> None:
        """Somebody came in."""
        if self._room(f"g {account.id} {service} {peer.block} {account.device.hex()}", GOOD_EVERY, 1):
            text = "by a device password" if account.device else "by password"
            self._note(account.address, peer, service, "good", text)

    def refused(self, *, name: str, peer: Peer, service: str, reason: str) -> None:
        """``name`` as it was typed."""
        known = _known(name)
        if self._room(f"r {known} {peer.block}", REFUSED_WINDOW, REFUSED_MOST) and self._room(
            "all", MINUTE, MOST_IN_A_MINUTE
        ):
            self._note(known, peer, service, "refused", reason)
        else:
            self._left_out += 1

    def _note(self, address: str, peer: Peer, service: str, outcome: str, text: str) -> None:
        left_out, self._left_out = self._left_out, 0
        self._waiting.append(
            AuthEvent(
                at=self._clock.now(),
                address=address,
                service=service,
                outcome="good" if outcome == "good" else "refused",
                text=text,
                peer=peer.address,
                left_out=left_out,
            )
        )
        self._write()

    def _write(self) -> None:
        if self._writing or not self._waiting:
            return
        events, self._waiting = self._waiting, []
        self._writing = True

        def record(txn: Txn) -> None:
            for event in events:
                auth_events.record(txn, event)

        self._engine.transact(keys.LOG, record).when_done(partial(self._written, len(events)))

    def _written(self, count: int, done: Pending[None]) -> None:
        self._writing = False
        try:
            done.result()
        except Exception:
            # The disk is full: the log of the server has them all the same.
            self._left_out += count
        self._write()

    def _room(self, key: str, seconds: float, most: int) -> bool:
        now = self._clock.monotonic()
        began, count = self._windows.get(key, (now, 0))
        if now - began >= seconds:
            began, count = now, 0
        self._windows[key] = (began, min(count + 1, most + 1))
        self._windows.move_to_end(key)
        if len(self._windows) > _ENTRIES:
            self._windows.popitem(last=False)
        return count < most


def events(
    desk: Desk, *, domain: str = "", address: str = "", failed: bool = False, since: float = 0.0, most: int
) -> list[AuthEvent]:
    """The newest first, at most ``most``: those of a domain, or of one address (an ``Address.key``), or all.

    All are an operator's; other admins see those of their domains, a user his own. NoSuchDomain.
    """
    domain = desk.domain(domain).name if domain else ""
    actor = desk.actor
    seen = {row.name for row in desk.domains()}

    def visible(known: str) -> bool:
        if actor.role is Role.USER:
            return known == actor.address
        return actor.role is Role.OPERATOR or known.rpartition("@")[2] in seen

    def wanted(event: AuthEvent) -> bool:
        known = _known(event.address)
        if failed and event.outcome != "refused":
            return False
        return visible(known) and address in ("", known) and domain in ("", known.rpartition("@")[2])

    def look(snap: Snapshot) -> list[AuthEvent]:
        found: list[AuthEvent] = []
        rows: Iterator[AuthEvent] = auth_events.newest(snap, since)
        for event in rows:
            if wanted(event):
                found.append(event)
                if len(found) >= most:
                    break
        return found

    return desk.engine.read(keys.LOG, look)


def _known(name: str) -> str:
    """One spelling of a name, whether it is somebody's or not."""
    try:
        return Address.parse(name).key
    except (BadInput, UnicodeError):
        return name[:_LONGEST].casefold().encode("utf-8", "replace").decode()
