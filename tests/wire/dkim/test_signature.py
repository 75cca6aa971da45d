from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import dkim
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.dkim.canonical import BodyHash
from xtramail.wire.dkim.key_record import record_text
from xtramail.wire.dkim.signature import Algorithm, Unsigned, covered, signed_octets

# RFC 8463 Appendix A: keys, message and both signatures.
RFC_ED25519 = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RFC_ED25519_PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RFC_RSA = b"""-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
"""
RFC_HEADER = (
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
)
RFC_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
RFC_NAMES = [b"from", b"to", b"subject", b"date", b"message-id", b"from", b"subject", b"date"]
RFC_BODY_HASH = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
RFC_ED25519_FIELD = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="
)
RFC_ED25519_SIGNATURE = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
RFC_RSA_FIELD = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    b" date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="
)
RFC_RSA_SIGNATURE = (
    "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
    "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="
)


def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC_ED25519))


def rsa() -> RSAPrivateKey:
    key = serialization.load_pem_private_key(RFC_RSA, password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def ed25519_signed(octets: bytes) -> bytes:
    return ed25519().sign(hashlib.sha256(octets).digest())


def rsa_signed(octets: bytes) -> bytes:
    return rsa().sign(octets, PKCS1v15(), hashes.SHA256())


def rsa_public() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return rsa().public_key().public_bytes(serialization.Encoding.DER, form)


PUBLIC: dict[Algorithm, bytes] = {
    "rsa-sha256": rsa_public(),
    "ed25519-sha256": base64.b64decode(RFC_ED25519_PUBLIC),
}
SIGN: dict[Algorithm, Callable[[bytes], bytes]] = {"rsa-sha256": rsa_signed, "ed25519-sha256": ed25519_signed}


def signed(header: bytes, body: bytes, algorithm: Algorithm) -> bytes:
    hashed = BodyHash()
    hashed.write(body)
    unsigned = Unsigned(
        algorithm=algorithm,
        domain="football.example.com",
        selector="test",
        at=1_528_637_909,
        names=covered(header),
        body_hash=hashed.digest(),
    )
    return unsigned.field(SIGN[algorithm](unsigned.to_sign(header)))


def verified(message: bytes, algorithm: Algorithm) -> bool:
    """By dkimpy, which shares no code with ours."""

    def txt(name: bytes, timeout: float = 5) -> str | None:
        assert name == b"test._domainkey.football.example.com."
        return record_text(algorithm, PUBLIC[algorithm])

    return bool(dkim.verify(message, dnsfunc=txt, minkey=512))


def test_the_body_hash_of_the_rfc_is_ours() -> None:
    hashed = BodyHash()
    hashed.write(RFC_BODY)
    assert base64.b64encode(hashed.digest()).decode() == RFC_BODY_HASH


def test_the_ed25519_signature_of_the_rfc_is_ours() -> None:
    octets = signed_octets(RFC_HEADER, RFC_NAMES, RFC_ED25519_FIELD)
    assert base64.b64encode(ed25519_signed(octets)).decode() == RFC_ED25519_SIGNATURE


def test_the_rsa_signature_of_the_rfc_is_ours() -> None:
    octets = signed_octets(RFC_HEADER, RFC_NAMES, RFC_RSA_FIELD)
    assert base64.b64encode(rsa_signed(octets)).decode() == RFC_RSA_SIGNATURE


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
def test_another_implementation_finds_a_signature_good(algorithm: Algorithm) -> None:
    assert verified(signed(RFC_HEADER, RFC_BODY, algorithm) + RFC_HEADER + RFC_BODY, algorithm)


def test_both_signatures_stand_above_each_other() -> None:
    first, second = (signed(RFC_HEADER, RFC_BODY, one) for one in PUBLIC)
    assert verified(first + second + RFC_HEADER + RFC_BODY, "rsa-sha256")
    assert verified(second + first + RFC_HEADER + RFC_BODY, "ed25519-sha256")


@pytest.mark.parametrize(
    "added",
    [b"From: x@evil.example\r\n", b"Subject: other\r\n", b"To: y@z.example\r\n", b"Cc: y@z.example\r\n",
     b"Reply-To: y@z.example\r\n", b"Date: Fri, 11 Jul 2003 21:00:38 -0700\r\n", b"Message-ID: <x@y>\r\n",
     b"Content-Type: text/html\r\n", b"MIME-Version: 1.0\r\n"],
)  # fmt: skip
def test_a_field_added_afterwards_breaks_it(added: bytes) -> None:
    field = signed(RFC_HEADER, RFC_BODY, "ed25519-sha256")
    assert not verified(field + added + RFC_HEADER + RFC_BODY, "ed25519-sha256")
    assert not verified(field + RFC_HEADER[:-2] + added + b"\r\n" + RFC_BODY, "ed25519-sha256")


@pytest.mark.parametrize(
    "above", [b"Received: from a by b; Fri, 11 Jul 2003 21:00:40 -0700\r\n", b"List-Id: <a.b>\r\n", b"Sender: l@b\r\n"]
)
def test_what_carriers_and_lists_add_does_not(above: bytes) -> None:
    field = signed(RFC_HEADER, RFC_BODY, "ed25519-sha256")
    assert verified(above + field + RFC_HEADER + RFC_BODY, "ed25519-sha256")


def test_anything_put_behind_the_body_breaks_it() -> None:
    field = signed(RFC_HEADER, RFC_BODY, "ed25519-sha256")
    assert b" l=" not in field
    assert not verified(field + RFC_HEADER + RFC_BODY + b"P.S.\r\n", "ed25519-sha256")


def test_of_several_fields_of_a_name_each_is_covered() -> None:
    header = RFC_HEADER[:-2] + b"Received: one\r\nResent-To: a@b\r\nresent-to: c@d\r\n\r\n"
    names = covered(header)
    assert names.count(b"Resent-To") == 2 and names.count(b"From") == 2 and names.count(b"Cc") == 1
    assert b"Received" not in names and b"Bcc" not in names
    field = signed(header, RFC_BODY, "ed25519-sha256")
    assert verified(field + header + RFC_BODY, "ed25519-sha256")
    changed = header.replace(b"a@b", b"a@x")
    assert not verified(field + changed + RFC_BODY, "ed25519-sha256")


def test_no_line_is_longer_than_78_octets() -> None:
    header = RFC_HEADER[:-2] + b"List-Unsubscribe-Post: x\r\nContent-Description: y\r\n" * 9 + b"\r\n"
    assert max(map(len, signed(header, RFC_BODY, "rsa-sha256").split(b"\r\n"))) <= 78


VALUES = st.text(st.sampled_from("ab\u00e9 \t,;=:<>@\"("), max_size=30).map(str.encode)
FOLDS = st.lists(VALUES.filter(lambda text: bool(text.strip())), min_size=1, max_size=3).map(b"\r\n ".join)
NAMES = st.sampled_from([b"Subject", b"sUBJECT", b"To", b"Cc", b"X-Other", b"Sender", b"Content-Type", b"List-Id"])
HEADERS = st.lists(st.tuples(NAMES, st.sampled_from([b":", b": ", b":\t"]), FOLDS), max_size=8)


@given(HEADERS, st.binary(max_size=80).map(lambda octets: octets.replace(b"\r", b"").replace(b"\n", b"\r\n")))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_whatever_is_signed_verifies(parts: list[tuple[bytes, bytes, bytes]], body: bytes) -> None:
    header = b"From: a@football.example.com\r\n" + b"".join(b"%s%s%s\r\n" % part for part in parts) + b"\r\n"
    # What SMTP carries ends in a line end.
    message = signed(header, body, "ed25519-sha256") + header + body + b"\r\n" * (not body.endswith(b"\r\n"))
    assert verified(message, "ed25519-sha256")
