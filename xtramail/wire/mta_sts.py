"""MTA-STS as text: the record that announces a policy, and the policy (RFC 8461 §3). Pure: nothing is fetched here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from xtramail.wire.errors import ProtocolError

MOST_OCTETS = 65_536
"""RFC 8461 §3.3: longer ones may be refused."""
MOST_AGE = 31_557_600
"""Seconds (RFC 8461 §3.2): a policy that claims to hold for longer holds for a year."""
_MOST_HOSTS = 200

Mode = Literal["enforce", "testing", "none"]

# sts-id = 1*32(ALPHA / DIGIT)
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
# sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]; sts-field-delim = *WSP ";" *WSP
_VERSION = re.compile(r"v=STSv1[ \t]*;")
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
# sts-policy-max-age-value = 1*10(DIGIT)
_AGE = re.compile(r"[0-9]{1,10}\Z")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# sts-policy-mx-value = ["*."] Domain
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class StsText:
    """A policy as its domain publishes it."""

    mode: Mode
    max_age: int
    """Seconds for which it holds, from when it was fetched."""
    hosts: tuple[str, ...] = ()
    """Names of mail hosts, in lower case; ``*.`` stands for one label."""

    def allows(self, host: str) -> bool:
        """Whether mail may be handed to ``host`` (RFC 8461 §4.1)."""
        name = host.lower().rstrip(".")
        return any(matches(pattern, name) for pattern in self.hosts)


def matches(pattern: str, name: str) -> bool:
    """RFC 8461 §4.1: a wildcard stands for exactly one leftmost label."""
    if not pattern.startswith("*."):
        return pattern == name
    first, dot, rest = name.partition(".")
    return bool(first) and bool(dot) and rest == pattern[2:]


def policy_id(texts: tuple[str, ...]) -> str | None:
    """The id that TXT records at ``_mta-sts.`` announce; None: there is no policy (RFC 8461 §3.1).

    Other records are passed over; with two of them, or a bad one, there is none.
    """
    ours = [text for text in texts if _VERSION.match(text)]
    if len(ours) != 1:
        return None
    fields: dict[str, str] = {}
    for field in ours[0].split(";")[1:]:
        if not field.strip(" \t"):
            continue
        name, equals, value = field.strip(" \t").partition("=")
        if not equals or not _FIELD.match(name):
            return None
        fields.setdefault(name, value)
    found = fields.get("id", "")
    return found if _ID.match(found) else None


def read_policy(octets: bytes) -> StsText:
    """The text of a policy; ProtocolError says what is wrong with it (RFC 8461 §3.2)."""
    if len(octets) > MOST_OCTETS:
        raise ProtocolError(f"the policy is longer than {MOST_OCTETS} octets")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("the policy is not UTF-8 text") from None
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for number, line in enumerate(re.split(r"\r?\n", text), 1):
        if not line.strip(" \t"):
            continue
        name, colon, value = line.partition(":")
        name, value = name.rstrip(" \t"), value.strip(" \t")
        if not colon or not _FIELD.match(name):
            raise ProtocolError(f"line {number} of the policy is not NAME: VALUE")
        if name != "mx":
            # RFC 8461 §3.2: of a field that stands there twice the first counts; unknown ones are passed over.
            fields.setdefault(name, value)
            continue
        if not _HOST.match(value) or len(value) > 255:
            raise ProtocolError(f"line {number} of the policy names no host")
        hosts.append(value.lower().rstrip("."))
        if len(hosts) > _MOST_HOSTS:
            raise ProtocolError(f"the policy names more than {_MOST_HOSTS} hosts")
    return _policy(fields, tuple(hosts))


def _policy(fields: dict[str, str], hosts: tuple[str, ...]) -> StsText:
    if fields.get("version") != "STSv1":
        raise ProtocolError("the policy does not say version: STSv1")
    modes: dict[str, Mode] = {"enforce": "enforce", "testing": "testing", "none": "none"}
    mode = modes.get(fields.get("mode", ""))
    if mode is None:
        raise ProtocolError("the policy says no mode: enforce, testing or none")
    age = fields.get("max_age", "")
    if not _AGE.match(age):
        raise ProtocolError("the policy does not say for how many seconds it holds (max_age)")
    if mode != "none" and not hosts:
        raise ProtocolError("the policy names no mail host (mx)")
    return StsText(mode=mode, max_age=min(int(age), MOST_AGE), hosts=hosts)
