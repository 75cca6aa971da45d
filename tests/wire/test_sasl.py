"""PLAIN and LOGIN, step by step."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.secret import Secret
from xtramail.wire.sasl import (
    Aborted,
    Challenge,
    Credentials,
    SaslError,
    SaslServerExchange,
    decode,
    encode,
    known,
    plain_message,
)


def credentials(mechanism: str, password: str = "pass word") -> Credentials:
    return Credentials(mechanism=mechanism, authcid="ann@example.org", password=Secret(password))


def test_plain_with_an_initial_response() -> None:
    initial = encode(b"\0ann@example.org\0pass word")
    assert SaslServerExchange("PLAIN").start(initial) == credentials("PLAIN")


def test_plain_in_two_steps() -> None:
    exchange = SaslServerExchange("plain")
    assert exchange.start(None) == Challenge(line=b"")
    assert exchange.respond(encode(b"ann@example.org\0ann@example.org\0pass word")) == credentials("PLAIN")


def test_login_challenges_are_letter_by_letter_what_outlook_wants() -> None:
    exchange = SaslServerExchange("LOGIN")
    step = exchange.start(None)
    assert isinstance(step, Challenge)
    assert decode(step.line) == b"Username:"
    step = exchange.respond(encode(b"ann@example.org"))
    assert isinstance(step, Challenge)
    assert decode(step.line) == b"Password:"
    assert exchange.respond(encode(b"pass word")) == credentials("LOGIN")


def test_login_with_an_initial_response_asks_for_the_password() -> None:
    exchange = SaslServerExchange("LOGIN")
    step = exchange.start(encode(b"ann@example.org"))
    assert isinstance(step, Challenge)
    assert decode(step.line) == b"Password:"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_star_aborts(mechanism: str) -> None:
    exchange = SaslServerExchange(mechanism)
    exchange.start(None)
    assert exchange.respond(b"*") == Aborted()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"ann\0secret",
        b"\0ann\0secret\0more",
        b"bob\0ann\0secret",
        b"\0\0secret",
        b"\0a\nnn\0secret",
        b"\0a\x7fnn\0secret",
        b"\0ann\0\xff",
        b"\0" + b"a" * 1025 + b"\0secret",
        b"\0ann\0" + b"s" * 1025,
    ],
)
def test_malformed_plain_messages_are_refused(octets: bytes) -> None:
    with pytest.raises(SaslError):
        SaslServerExchange("PLAIN").start(encode(octets) or b"=")


@pytest.mark.parametrize("line", [b"!!!!", b"YQ", b"YQ==YQ==", b" YQ==", b"Y\xc3Q==", b"="])
def test_what_is_not_base64_is_refused(line: bytes) -> None:
    with pytest.raises(SaslError):
        decode(line)


@pytest.mark.parametrize("octets", [b"", b"a\nb", b"a\0b"])
def test_malformed_login_names_are_refused(octets: bytes) -> None:
    with pytest.raises(SaslError):
        SaslServerExchange("LOGIN").start(encode(octets) or b"=")


def test_a_login_password_has_no_nul() -> None:
    exchange = SaslServerExchange("LOGIN")
    exchange.start(encode(b"ann"))
    with pytest.raises(SaslError):
        exchange.respond(encode(b"a\0b"))


def test_other_mechanisms_are_unknown() -> None:
    assert known("plain") and known("LOGIN")
    assert not known("SCRAM-SHA-256")
    with pytest.raises(SaslError):
        SaslServerExchange("SCRAM-SHA-256")


def test_the_client_message_is_what_the_server_reads() -> None:
    message = plain_message("ann@example.org", Secret("pass word"))
    assert SaslServerExchange("PLAIN").start(message) == credentials("PLAIN")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=60), st.sampled_from(["PLAIN", "LOGIN"]))
def test_no_octets_do_worse_than_a_refusal(octets: bytes, mechanism: str) -> None:
    for line in (octets, encode(octets)):
        exchange = SaslServerExchange(mechanism)
        try:
            exchange.start(line)
        except SaslError:
            pass
