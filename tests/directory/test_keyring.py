"""The file of server keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtramail.directory.keyring import create_keyring, key_id, load_keyring
from xtramail.model.errors import BadInput


def test_a_new_file_is_private_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "passwords.key"
    made = create_keyring(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keyring(path) == made
    assert made.keys[made.current].hex() not in repr(made)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "passwords.key"
    made = create_keyring(path)
    with pytest.raises(FileExistsError):
        create_keyring(path)
    assert load_keyring(path) == made


def test_the_newest_key_makes_new_hashes(tmp_path: Path) -> None:
    path = tmp_path / "passwords.key"
    old = create_keyring(path)
    newer = bytes(32)
    path.write_text(path.read_text() + f"\n{key_id(newer)} {newer.hex()}\n")
    keyring = load_keyring(path)
    assert keyring.current == key_id(newer) and old.current in keyring.keys


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key in it"),
        ("onlyone\n", "line 1: write an id"),
        (f"{key_id(bytes(32))} xyz\n", "line 1: write an id"),
        (f"00000000 {bytes(32).hex()}\n", "does not belong to its id"),
        (f"\n\n{key_id(bytes(16))} {bytes(16).hex()}\n", "line 3"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "passwords.key"
    path.write_text(text)
    with pytest.raises(BadInput, match=words) as refused:
        load_keyring(path)
    assert str(path) in refused.value.text
    assert bytes(32).hex() not in refused.value.text


def test_octets_that_are_no_text_are_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "passwords.key"
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(BadInput):
        load_keyring(path)
