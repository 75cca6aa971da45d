"""Rewritten senders: found again for 21 days in any case, never for who guesses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.directory.keyring import Keyring
from xtramail.directory.rewriting import Rewriting
from xtramail.directory.srs import DAYS, MOST_OCTETS, Held, Srs
from xtramail.model.address import Address
from xtramail.model.bucket import PERMANENT
from xtramail.model.clock import DAY_SECONDS, SetClock, day_of
from xtramail.store import keys, rewritten
from xtramail.store.memory_engine import MemoryEngine

RING = Keyring(keys={"k1": b"1" * 32, "k2": b"2" * 32}, current="k2")
OURS = "forward.example"
senders = st.builds(
    Address,
    local=st.one_of(
        st.text("abzAZ09.+-_= \"%!äß", min_size=1, max_size=12),
        st.text("ab=+-", min_size=30, max_size=70),
        st.sampled_from(["SRS0=HhHh=TT=orig.example=joe", "SRS0+x+y", "SRS1=m=first.example==HH=TT=o.example=joe"]),
    ),
    domain=st.sampled_from(["sender.example", "XN--bcher-kva.example", "bücher.example", "a." * 20 + "example"]),
)


class World:
    def __init__(self) -> None:
        self.engine = MemoryEngine()
        self.clock = SetClock()
        self.rewriting = Rewriting(engine=self.engine, keyring=RING, clock=self.clock)

    def rewrite(self, sender: Address) -> Address:
        made = self.rewriting.rewrite(sender, OURS, self.clock.now())
        if made.parts:
            self.engine.transact_all(made.parts).result()
        return Address.parse(made.address)

    def sender(self, address: Address) -> Address | None:
        return self.rewriting.sender(address, OURS)


@given(senders)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_every_sender_fits_and_is_found_again(sender: Address) -> None:
    world = World()
    address = world.rewrite(sender)
    assert len(address.local.encode()) <= MOST_OCTETS and not set(address.local) & set('%!@" ')
    assert world.rewriting.has_form(address)
    found = world.sender(address)
    assert found is not None
    if sender.local[:4].upper() == "SRS1":
        assert found == Address(local="SRS0=HH=TT=o.example=joe", domain="first.example")
    else:
        assert found.local == sender.local and found.domain_key == sender.domain_key
    for cased in (address.local.lower(), address.local.upper()):
        again = world.sender(Address(local=cased, domain=OURS))
        assert again is not None and (again.key == found.key or "ß" in sender.local)


@given(senders, st.integers(0, 200), st.sampled_from("abAB27=+x"))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_one_character_changed_stands_for_nobody_else(sender: Address, at: int, character: str) -> None:
    world = World()
    address = world.rewrite(sender)
    at %= len(address.local)
    changed = Address(local=address.local[:at] + character + address.local[at + 1 :], domain=OURS)
    found = world.sender(changed) if world.rewriting.has_form(changed) else None
    assert found is None or changed.local.casefold() == address.local.casefold()


@pytest.mark.parametrize("local", ["joe", "j" * 60])
def test_it_is_good_for_21_days(local: str) -> None:
    world = World()
    sender = Address(local=local, domain="sender.example")
    address = world.rewrite(sender)
    world.clock.jump(-DAY_SECONDS)
    assert world.sender(address) == sender
    world.clock.jump((DAYS + 1) * DAY_SECONDS)
    assert world.sender(address) == sender
    world.clock.jump(DAY_SECONDS)
    assert world.sender(address) is None


def test_what_is_too_long_is_kept_for_its_time_and_then_forgotten() -> None:
    world = World()
    address = world.rewrite(Address(local="j" * 60, domain="sender.example"))
    assert address.local.startswith("SRSX=")
    world.clock.jump((DAYS + 3) * DAY_SECONDS)
    world.rewrite(Address(local="k" * 60, domain="sender.example"))
    assert [value for _, value in rows(world.engine)] == [b"k" * 60 + b"@sender.example"]


def test_what_another_key_made_is_known_until_that_key_is_gone() -> None:
    old = Srs(Keyring(keys={"k1": b"1" * 32}, current="k1")).rewritten(Address("joe", "sender.example"), 10)
    assert old is not None
    assert Srs(RING).sender(old, 10) == Address("joe", "sender.example")
    assert Srs(Keyring(keys={"k3": b"3" * 32}, current="k3")).sender(old, 10) is None


def test_a_kept_sender_of_another_mark_is_not_believed() -> None:
    world = World()
    address = world.rewrite(Address("j" * 60, "sender.example"))
    held = Srs(RING).sender(address.local, day_of(world.clock.now()))
    assert isinstance(held, Held)
    world.engine.transact(
        keys.domain_scope(OURS),
        lambda txn: rewritten.put_sender(txn, held.day, held.mark, "eve@evil.example", forget_before=0),
    ).result()
    assert world.sender(address) is None


def test_a_second_forwarder_leads_back_to_the_first() -> None:
    srs = Srs(RING)
    first = Address("SRS0=abcd=xy=origin.example=joe", "first.example")
    local = srs.rewritten(first, 5)
    assert local is not None and local.startswith("SRS1=")
    assert local.endswith("=first.example==abcd=xy=origin.example=joe")
    assert srs.sender(local, 900) == first
    third = srs.rewritten(Address(local, "second.example"), 6)
    assert third == local


def rows(engine: MemoryEngine) -> list[tuple[bytes, bytes]]:
    return engine.read(keys.domain_scope(OURS), lambda snap: snap.range(PERMANENT, b"S", b"T"))


def test_a_mark_is_good_for_its_own_kind_alone() -> None:
    world = World()
    once = world.rewrite(Address.parse("joe@sender.example"))
    again = world.rewrite(Address(local="SRS0=HhHh=TT=orig.example=joe", domain="aa"))
    assert world.sender(once) is not None and world.sender(again) is not None
    for made, other in ((once, "SRS1"), (again, "SRS0"), (once, "SRSX"), (again, "SRSX")):
        assert world.sender(Address(local=other + made.local[4:], domain=OURS)) is None
