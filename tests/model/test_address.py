"""Addresses: one key for every way to write the same one, and another for every other."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.address import Address, domain_key
from xtramail.model.errors import BadInput

LETTERS = "abzABZ0.+-_\"\\ @äÄßẞéÉİıΣςσǆǅΐſ\u0301\u0345한"
locals_ = st.text(LETTERS, min_size=1, max_size=12)
U_LABELS = ("bücher.example", "пример.испытание", "例え.example")


def spelled(local: str) -> list[str]:
    """The same local part as different programs write it."""
    return [local, local.lower(), unicodedata.normalize("NFD", local), unicodedata.normalize("NFC", local)]


@given(locals_)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_every_spelling_has_one_key(local: str) -> None:
    keys = {Address(local=one, domain="example.org").key for one in spelled(local)}
    assert len(keys) == 1


@given(locals_)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_key_is_its_own_key(local: str) -> None:
    key = Address(local=local, domain="example.org").local_key
    assert Address(local=key, domain="example.org").local_key == key


@given(locals_)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_what_is_written_is_read_again(local: str) -> None:
    address = Address(local=local, domain="example.org")
    assert Address.parse(str(address)) == address


@given(st.text("abAB+.-", min_size=1, max_size=8))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_quotes_that_are_not_needed_change_nothing(local: str) -> None:
    quoted = Address.parse(f'"{local}"@Example.ORG')
    assert quoted.key == Address(local=local, domain="example.org").key
    assert Address.parse("".join(f"\\{c}" for c in local).join('""') + "@example.org").key == quoted.key


@pytest.mark.parametrize("domain", U_LABELS)
def test_u_labels_and_a_labels_are_one_domain(domain: str) -> None:
    key = domain_key(domain)
    assert key.isascii() and domain_key(key) == key
    assert {domain_key(one) for one in (domain.upper(), key.upper(), f"{domain}.", domain.replace(".", "。"))} == {key}
    assert Address.parse(f"Ann@{domain}").key == Address.parse(f"ann@{key}").key


@pytest.mark.parametrize("text", ['"a"b"@example.org', '"a\\"@example.org', 'a"b@example.org', "a b@example.org"])
def test_quotes_that_do_not_end_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="quotes"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["\udcff@example.org", '"a\ud800"@example.org', "a@\udcff.example"])
def test_octets_of_a_command_line_that_are_no_text_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Address.parse(text)
