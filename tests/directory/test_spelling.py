"""An address is the same however it is written, wherever it is looked for: case, composed and decomposed letters,
A- and U-labels, quotes that are not needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.world import MESSAGE, PEER, World, id_of, reverse
from xtramail.directory.aliases import add_alias, alias_of, remove_alias
from xtramail.directory.directory import Standing
from xtramail.directory.mirrors import add_mirror, remove_mirror
from xtramail.directory.senders import add_sender, sender_of
from xtramail.directory.users import account_of, add_user, list_users, remove_user, set_user
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath
from xtramail.model.errors import AlreadyExists
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, tracking

LOCALS = ("jürgen", "straße", "ñandú.böll", "ann", "σίσυφος", "o'neil", "a b")
DOMAIN = "bücher.example"

CASES: tuple[Callable[[str], str], ...] = (str, str.upper, str.title, str.lower)
FORMS = ("NFC", "NFD")
DOMAINS = (DOMAIN, DOMAIN.upper(), "xn--bcher-kva.example", "XN--BCHER-KVA.Example", "bücher。example", f"{DOMAIN}.")


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """An address, and another way to write it."""
    local = draw(st.sampled_from(LOCALS))
    other = unicodedata.normalize(draw(st.sampled_from(FORMS)), draw(st.sampled_from(CASES))(local))
    domain = draw(st.sampled_from(DOMAINS))
    quoted = str(Address(local=other, domain=domain))
    if draw(st.booleans()) and not quoted.startswith('"'):
        quoted = f'"{other}"@{domain}'
    return str(Address(local=local, domain=DOMAIN)), quoted


def world() -> World:
    made = World()
    made.domain(DOMAIN)
    return made


every = settings(derandomize=True, deadline=None, max_examples=30)


@given(spellings())
@every
def test_a_user_is_found_and_is_there_once(pair: tuple[str, str]) -> None:
    address, other = pair
    here = world()
    user = here.user(address)
    found = here.directory.account(Address.parse(other).key)
    assert found is not None and found.id == user.id
    assert [one.id for one in here.directory.resolve(Address.parse(other)).accounts] == [user.id]
    assert here.directory.owns(user, Address.parse(other))
    with pytest.raises(AlreadyExists):
        drive(add_user(here.desk, Address.parse(other)))
    drive(set_user(here.desk, Address.parse(other), quota=7))
    assert [one.quota for one in list_users(here.desk, DOMAIN)] == [7]
    drive(remove_user(here.desk, Address.parse(other)))
    assert account_of(here.engine, Address.parse(address).key) is None


@given(spellings())
@every
def test_mail_for_him_is_in_one_mailbox_once(pair: tuple[str, str]) -> None:
    address, other = pair
    here = world()
    user = here.user(address)
    transaction = here.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    for one in (address, other):
        answer = transaction.rcpt_to(ForwardPath(address=Address.parse(one)))
        assert isinstance(answer, Reply) and answer.code == 250
    transaction.chunk(MESSAGE)
    assert drive(transaction.commit()).code == 250
    assert len(here.mailbox(user)) == 1


@given(spellings())
@every
def test_aliases_senders_and_mirrors_are_found(pair: tuple[str, str]) -> None:
    address, other = pair
    here = world()
    drive(add_alias(here.desk, address, ["ann@local.example"]))
    assert alias_of(here.desk, other).targets == ("ann@local.example",)
    assert [one.id for one in here.directory.resolve(Address.parse(other)).accounts] == [here.ann.id]
    drive(add_alias(here.desk, "all@local.example", [other]))
    with pytest.raises(AlreadyExists):
        drive(add_alias(here.desk, "ALL@Local.example", [address]))
    drive(remove_alias(here.desk, "all@local.example", [address]))
    drive(add_sender(here.desk, address, ["bob@local.example"]))
    assert sender_of(here.desk, other).owners == ("bob@local.example",)
    assert here.directory.owns(here.bob, Address.parse(other))
    drive(add_mirror(here.desk, address, into="bob@local.example"))
    drive(remove_mirror(here.desk, other))


@given(spellings())
@every
def test_what_a_primary_said_of_it_is_remembered(pair: tuple[str, str]) -> None:
    address, other = pair
    here = World()
    here.domain(DOMAIN, primaries=(("primary.example", 25),))
    here.primary.knows[Address.parse(address).local_key] = Reply.of(250, "2.1.5", "ok")
    assert drive(here.directory.ask(Address.parse(other)))
    assert here.directory.resolve(Address.parse(address)).standing is Standing.LISTED


@given(spellings())
@every
def test_its_mail_is_found_in_the_log_and_is_known_when_it_comes_back(pair: tuple[str, str]) -> None:
    address, other = pair
    here = world()
    drive(add_alias(here.desk, address, ["zed@far.example"]))
    number = accept(here, other)
    for one in (address, other):
        query = tracking.Query(addresses=(one,))
        assert here.engine.read(keys.LOG, lambda snap: tracking.search(snap, query, 5)).ids == (number,)  # noqa: B023
    (entry,) = here.queue()
    sent_on = entry.signature + bodies.read(here.engine, entry.body, entry.body.return_path_length)
    assert accept(here, address, sent_on) == 0


def accept(here: World, recipient: str, message: bytes = MESSAGE) -> int:
    """Our id; 0 when it was refused after its text."""
    transaction = here.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example", smtputf8=True))
    answer = transaction.rcpt_to(ForwardPath(address=Address.parse(recipient)))
    assert isinstance(answer, Reply) and answer.code == 250
    transaction.chunk(message)
    reply = drive(transaction.commit())
    return id_of(reply) if reply.code == 250 else 0
