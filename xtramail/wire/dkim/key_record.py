"""What a domain publishes of a key: the TXT record at ``SELECTOR._domainkey.DOMAIN`` (RFC 6376 §3.6.1, RFC 8463 §4)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from xtramail.wire.dkim.signature import Algorithm

STRING_OCTETS = 255
"""Most of one string of a TXT record (RFC 1035 §3.3); longer ones are several, joined without anything between."""

_KEY_TYPES: dict[Algorithm, str] = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


def record_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def record_text(algorithm: Algorithm, public: bytes) -> str:
    """``public``: DER of SubjectPublicKeyInfo for RSA, the 32 octets alone for Ed25519."""
    return f"v=DKIM1; k={_KEY_TYPES[algorithm]}; p={base64.b64encode(public).decode('ascii')}"


def record_strings(text: str) -> list[str]:
    """``text`` in the strings of one TXT record."""
    return [text[at : at + STRING_OCTETS] for at in range(0, len(text), STRING_OCTETS)]


def zone_line(selector: str, domain: str, text: str) -> str:
    """The record as a zone file has it, to be pasted."""
    strings = " ".join(f'"{one}"' for one in record_strings(text))
    return f"{record_name(selector, domain)}. IN TXT ( {strings} )"


def record_fault(texts: Sequence[str], algorithm: Algorithm, public: bytes) -> str:
    """Why TXT records ``texts`` (each with its strings joined) do not show this key; empty where they do."""
    keys = [tags for tags in map(_tags, texts) if "p" in tags]
    if not keys:
        return "there is no such TXT record" if not texts else "the TXT record there is no DKIM key"
    if len(keys) > 1:
        # RFC 6376 §3.6.2.2: which one a verifier takes is undefined.
        return "there are several DKIM keys at that name; keep one"
    tags = keys[0]
    if tags.get("v", "DKIM1") != "DKIM1":
        return "its version is not DKIM1"
    if tags.get("k", "rsa") != _KEY_TYPES[algorithm]:
        # Anybody's text: nothing in it may act on the terminal that shows it.
        return f"its key type is {ascii(tags.get('k', 'rsa')[:40])[1:-1]}, not {_KEY_TYPES[algorithm]}"
    if not tags["p"]:
        return "the key there is revoked (its p= is empty)"
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        return "it does not allow sha256"
    if "s" in tags and not {"email", "*"} & set(tags["s"].split(":")):
        return "it is not for email"
    try:
        published = base64.b64decode(tags["p"], validate=True)
    except (binascii.Error, ValueError):
        return "its p= is not base64: was it cut off?"
    if published != public:
        return "it holds another key"
    return ""


def _tags(text: str) -> dict[str, str]:
    """Names and values, all white space taken out: none matters in the tags that are read here."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip(), "".join(value.split()))
    return found
