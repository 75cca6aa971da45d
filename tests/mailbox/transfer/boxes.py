"""Ann's and Bob's mailboxes on a memory engine: filled, looked at as a whole, and taken out and in by files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.desks import operator
from xtramail.directory.desk import Desk
from xtramail.directory.domains import add_domain
from xtramail.directory.users import add_user
from xtramail.mailbox.transfer.coming import file_in, prepared
from xtramail.mailbox.transfer.entries import Format, Found
from xtramail.mailbox.transfer.exporting import Exported, export_mail
from xtramail.mailbox.transfer.importing import import_mail
from xtramail.mailbox.transfer.opening import open_source
from xtramail.mailbox.transfer.outcome import Imported, Terms
from xtramail.model.address import Address
from xtramail.model.bucket import FIRST_DOMAIN_CLASS
from xtramail.model.clock import SetClock
from xtramail.model.flags import Flag
from xtramail.model.ids import IdSource
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, mailboxes, messages, schema
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import Account, FlagRow, MessageRow

ANN = Address.parse("ann@office.example")
BOB = Address.parse("bob@office.example")
NOON = 1_767_268_800
PLAIN = b"From: zoe@sender.example\r\nSubject: plans\r\nMessage-ID: <m1@sender.example>\r\n\r\nHello.\r\n"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as everybody can tell it from another; ``keywords`` sorted."""

    octets: bytes
    received_at: int = NOON
    flags: Flag = Flag(0)
    keywords: tuple[str, ...] = ()


class Boxes:
    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or MemoryEngine()
        self.clock = SetClock(NOON + 86_400.0)
        self.ids = IdSource(self.clock)
        schema.open_format(self.engine)
        drive(add_domain(self.desk, "office.example"))
        for address in (ANN, BOB):
            drive(add_user(self.desk, address, quota=0, kind="user"))

    @property
    def desk(self) -> Desk:
        return operator(self.engine, self.clock)

    def account(self, address: Address = ANN) -> Account:
        return self.desk.account(address)

    def make(self, name: str, address: Address = ANN) -> None:
        now = self.clock.now()

        def work(txn: Txn) -> None:
            mailboxes.ensure_special(txn, now)
            if mailboxes.mailbox_by_name(txn, name) is None:
                mailboxes.create(txn, name, now=now)

        self.engine.transact(keys.user_scope(self.account(address).id), work).result()

    def put(self, name: str, letters: Iterable[Letter], address: Address = ANN) -> None:
        self.clock.advance(1.0)
        self.make(name, address)
        for letter in letters:
            found = Found(
                levels=(name,),
                place="",
                octets=len(letter.octets),
                chunks=lambda letter=letter: iter((letter.octets,)),  # type: ignore[misc]
                flags=letter.flags,
                keywords=letter.keywords,
                received_at=letter.received_at,
            )
            mark = self.ids.next().to_bytes(16, "big")
            coming = drive(
                prepared(
                    self.engine, found, name, mark, ids=self.ids, clock=self.clock, retention_class=FIRST_DOMAIN_CLASS
                )
            )
            drive(file_in(self.engine, self.account(address).id, [coming], self.clock.now()))

    def held(self, address: Address = ANN) -> dict[str, list[Letter]]:
        """Every mailbox with its messages by UID."""

        def look(snap: Snapshot) -> dict[str, list[tuple[MessageRow, FlagRow, tuple[str, ...]]]]:
            found = {}
            for row in mailboxes.mailboxes(snap):
                names = mailboxes.keyword_names(snap, row.id)
                rows = []
                for bucket in messages.counters(snap, row):
                    for uid, flags in messages.bucket_look(snap, row.id, bucket).rows:
                        message = messages.message_row(snap, row.id, bucket, uid)
                        assert message is not None
                        rows.append((uid, message, flags, tuple(sorted(names[one] for one in flags.keywords))))
                found[row.name] = [one[1:] for one in sorted(rows, key=lambda one: one[0])]
            return found

        rows = self.engine.read(keys.user_scope(self.account(address).id), look)
        return {
            name: [
                Letter(
                    octets=bodies.read(self.engine, row.body),
                    received_at=row.internaldate,
                    flags=Flag(flags.flags),
                    keywords=words,
                )
                for row, flags, words in inside
            ]
            for name, inside in rows.items()
        }

    def full(self, address: Address = ANN) -> dict[str, list[Letter]]:
        """Those mailboxes that have messages."""
        return {name: letters for name, letters in self.held(address).items() if letters}

    def export(self, folder: Path, format: Format, address: Address = ANN, mailbox: str = "") -> Exported:
        return drive(export_mail(self.desk, address, folder, format, mailbox=mailbox))

    def bring(
        self, path: Path, format: Format | None = None, address: Address = BOB, terms: Terms | None = None
    ) -> Imported:
        # Ids follow from the time, and each import has a source of its own.
        self.clock.advance(1.0)
        return drive(import_mail(self.desk, address, open_source(path, format), terms or Terms()))


def told(result: Imported) -> list[str]:
    """What was not taken, and why."""
    return [f"{one.place}: {one.text}" for one in result.troubles]


def same(one: dict[str, list[Letter]], other: dict[str, list[Letter]]) -> bool:
    """Whatever the order of messages."""
    return {name: Counter(inside) for name, inside in one.items()} == {
        name: Counter(inside) for name, inside in other.items()
    }
