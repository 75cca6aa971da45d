"""Hashes of passwords: they fit what they were made of and nothing else, and need the key."""

from __future__ import annotations

import pytest

from xtramail.directory import passwords
from xtramail.directory.keyring import Keyring, key_id
from xtramail.model.secret import Secret

KEYS = [bytes([number]) * 32 for number in range(2)]
BOTH = Keyring(keys={key_id(key): key for key in KEYS}, current=key_id(KEYS[1]))
OLD = Keyring(keys={key_id(KEYS[0]): KEYS[0]}, current=key_id(KEYS[0]))


@pytest.mark.parametrize("text", ["hunter2", "", "x" * 5_000, "nul\0inside", "e\u0301 \N{PILE OF POO}", "\udcff"])
def test_a_chosen_password_fits_its_hash_and_no_other(text: str) -> None:
    stored = passwords.hash_chosen(Secret(text), BOTH, 4)
    assert passwords.verify(Secret(text), stored, BOTH)
    assert not passwords.verify(Secret(text + "x"), stored, BOTH)
    assert text not in stored or not text


def test_what_bcrypt_would_cut_off_counts() -> None:
    stored = passwords.hash_chosen(Secret("a" * 100), BOTH, 4)
    assert not passwords.verify(Secret("a" * 99 + "b"), stored, BOTH)


def test_one_password_typed_in_two_forms_of_unicode_is_one() -> None:
    stored = passwords.hash_chosen(Secret("caf\u00e9"), BOTH, 4)
    assert passwords.verify(Secret("cafe\u0301"), stored, BOTH)


def test_a_generated_password_is_random_and_typed_as_people_type() -> None:
    made = {passwords.generate().reveal() for _ in range(100)}
    assert len(made) == 100 and all(len(one) == 23 and not set("ilou") & set(one) for one in made)
    one = made.pop()
    stored = passwords.hash_generated(Secret(one), BOTH)
    for typed in (one, one.upper(), one.replace("-", " "), one.replace("-", "")):
        assert passwords.verify(Secret(typed), stored, BOTH)
    assert not passwords.verify(Secret(one[:-1]), stored, BOTH)


@pytest.mark.parametrize("generated", [True, False])
def test_old_keys_verify_and_missing_ones_never(generated: object) -> None:
    stored = passwords.hash_generated(Secret("x"), OLD) if generated else passwords.hash_chosen(Secret("x"), OLD, 4)
    assert passwords.verify(Secret("x"), stored, BOTH)
    assert not passwords.verify(Secret("x"), stored, Keyring(keys={key_id(KEYS[1]): KEYS[1]}, current=key_id(KEYS[1])))


@pytest.mark.parametrize("stored", ["", "plain", "{XTRA-BCRYPT}", "{XTRA-BCRYPT}id$2b$04$short", "{XTRA-HMAC}x$y"])
def test_what_is_no_hash_opens_nothing(stored: str) -> None:
    for text in ("", "plain", "x"):
        assert not passwords.verify(Secret(text), stored, BOTH)
    named = stored.replace("id", key_id(KEYS[0]))
    assert not passwords.verify(Secret("x"), named, BOTH)


def test_nobody_fits_the_dummy() -> None:
    dummy = passwords.DummyHash(BOTH, 4)
    assert passwords.is_slow(dummy.stored) and not passwords.verify(Secret(""), dummy.stored, BOTH)
