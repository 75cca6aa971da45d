"""A world in which the primary of relay.example may send through us."""

from __future__ import annotations

from tests.delivery.world import World
from xtramail.delivery.outward import Outward
from xtramail.delivery.relay_rate import RelayRate
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.domains import parse_change, remove_domain, set_domain
from xtramail.directory.keyring import Keyring, key_id
from xtramail.directory.relay_accounts import create, relay_account
from xtramail.directory.relay_clients import RelayClients
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import drive
from xtramail.store import bodies
from xtramail.store.engine import Engine
from xtramail.store.records import Account, QueueEntry

KEY = bytes(range(32))
KEYRING = Keyring(keys={key_id(KEY): KEY}, current=key_id(KEY))
INSIDE = Peer(address="198.51.100.7", port=40_000, helo="exchange.relay.example", esmtp=True)
OUTSIDE = Peer(address="198.51.100.99", port=40_000, helo="elsewhere.example", esmtp=True)
NETWORK = "198.51.100.0/28"
LETTER = (
    b"From: Ray <ray@relay.example>\r\nTo: victim@outside.example\r\nMessage-ID: <o1@relay.example>\r\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: offer\r\n\r\nHello.\r\n"
)


class OutwardWorld(World):
    def __init__(self, engine: Engine | None = None) -> None:
        super().__init__(engine=engine)
        self.clients = RelayClients(self.engine, self.clock)
        self.outward = Outward(
            clients=self.clients, intake=self.intake, submission=self.submission, rate=RelayRate(self.clock)
        )
        self.set("relay.example", f"relay-from={NETWORK}")

    def set(self, domain: str, *changes: str) -> None:
        """As ``xtramail domain set`` does."""
        parsed = [parse_change(*change.split("=", 1)) for change in changes]
        drive(set_domain(self.desk, domain, parsed))

    def account(self, domain: str) -> Account:
        """A relay account, logged in."""
        drive(create(self.desk, domain, KEYRING))
        found = relay_account(self.engine, domain)
        assert found is not None
        return found

    def octets_of(self, entry: QueueEntry) -> bytes:
        """What would be handed on of an entry."""
        return bodies.read(self.engine, entry.body)[entry.body.return_path_length :]

    def remove_domain(self, name: str) -> None:
        drive(remove_domain(self.desk, name))

    def hand_over(
        self,
        *recipients: str,
        sender: str = "ray@relay.example",
        message: bytes = LETTER,
        transaction: MailTransaction | None = None,
    ) -> Reply:
        """The primary sends on port 25, from inside; the reply to the final dot."""
        return self.send(transaction or self.outward.begin(INSIDE), recipients, message, sender)
