from __future__ import annotations

import base64

import pytest

from xtramail.wire.dkim.key_record import record_fault, record_strings, record_text, zone_line

KEY = bytes(range(200)) + bytes(94)
SEED = bytes(range(32))
P = base64.b64encode(SEED).decode()


def test_a_long_record_is_several_strings() -> None:
    text = record_text("rsa-sha256", KEY)
    strings = record_strings(text)
    assert [len(one) for one in strings] == [255, len(text) - 255]
    assert "".join(strings) == text


def test_the_line_can_be_pasted_into_a_zone() -> None:
    text = record_text("ed25519-sha256", SEED)
    assert text == f"v=DKIM1; k=ed25519; p={P}"
    assert zone_line("s1", "a.example", text) == f's1._domainkey.a.example. IN TXT ( "{text}" )'


@pytest.mark.parametrize(
    "text",
    [f"v=DKIM1; k=ed25519; p={P}", f"k=ed25519;p={P[:9]} {P[9:]};", f"v=DKIM1;k=ed25519;h=sha256:x;s=email;t=y;p={P}"],
)
def test_a_record_that_shows_the_key_is_known(text: str) -> None:
    assert record_fault([text], "ed25519-sha256", SEED) == ""
    assert record_fault(["v=spf1 -all", text], "ed25519-sha256", SEED) == ""


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ([], "there is no such TXT record"),
        (["v=spf1 -all"], "the TXT record there is no DKIM key"),
        ([f"k=ed25519; p={P}"] * 2, "there are several DKIM keys at that name; keep one"),
        ([f"v=DKIM2; k=ed25519; p={P}"], "its version is not DKIM1"),
        ([f"p={P}"], "its key type is rsa, not ed25519"),
        (["k=ed25519; p="], "the key there is revoked (its p= is empty)"),
        ([f"k=ed25519; h=sha1; p={P}"], "it does not allow sha256"),
        ([f"k=ed25519; s=other; p={P}"], "it is not for email"),
        ([f"k=ed25519; p={P[:-3]}"], "its p= is not base64: was it cut off?"),
        ([f"k=ed25519; p={base64.b64encode(bytes(32)).decode()}"], "it holds another key"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(texts: list[str], fault: str) -> None:
    assert record_fault(texts, "ed25519-sha256", SEED) == fault


def test_what_a_record_says_cannot_act_on_a_terminal() -> None:
    fault = record_fault([f"k=\x1b[2J{'x' * 5000}; p={P}"], "ed25519-sha256", SEED)
    assert fault.startswith("its key type is \\x1b[2Jxxx") and len(fault) < 100
