from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.store import keys

U32 = st.integers(0, 0xFFFF_FFFF)
ordered = settings(derandomize=True, deadline=None, max_examples=100)


@ordered
@given(st.lists(st.tuples(U32, U32), min_size=2, max_size=8))
def test_message_keys_sort_as_mailbox_and_uid_do(pairs: list[tuple[int, int]]) -> None:
    assert sorted(keys.flags(*pair) for pair in pairs) == [keys.flags(*pair) for pair in sorted(pairs)]


@ordered
@given(st.lists(st.integers(1, 0xFFFF_FFFF), max_size=8))
def test_uids_of_many_keys_are_those_of_each(uids: list[int]) -> None:
    found = [keys.flags(3, uid) for uid in uids]
    assert list(keys.uids_of(found)) == uids == [keys.uid_of(key) for key in found]


@ordered
@given(st.binary(min_size=1, max_size=6).filter(lambda prefix: prefix.strip(b"\xff")), st.binary(max_size=4))
def test_after_bounds_everything_with_the_prefix(prefix: bytes, rest: bytes) -> None:
    assert prefix <= prefix + rest < keys.after(prefix)


def test_scopes_give_back_what_they_were_made_of() -> None:
    assert keys.account_of_scope(keys.user_scope(0xABCDEF)) == 0xABCDEF
    assert keys.domain_of_scope(keys.domain_scope("xn--bcher-kva.example")) == "xn--bcher-kva.example"


def test_scopes_of_different_kinds_never_share_a_prefix() -> None:
    kinds = [keys.STORE, keys.QUEUE, keys.LOG, keys.BODY, keys.user_scope(1), keys.domain_scope("example.org")]
    assert len({scope[:1] for scope in kinds}) == len(kinds)
    assert not any(0 in scope for scope in kinds)


def test_a_message_id_key_names_its_place() -> None:
    key = keys.message_id("<a@example.org>", 5, 9)
    assert key.startswith(keys.message_id_prefix("<a@example.org>"))
    assert keys.message_id_place(key) == (5, 9)


def test_hashing_takes_text_that_has_no_utf8_form() -> None:
    assert len(keys.hashed("half \ud800 a pair")) == 16
