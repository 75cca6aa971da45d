"""Kinds of setting: how a value is written by a person, checked, and written back.

Owns the syntax of one value (durations, sizes, endpoints, ...). Which settings there are is ``settings.py``'s, where
values come from is ``config.py``'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypeVar

from xtramail.model.address import Address, domain_key
from xtramail.model.duration import duration_text, parse_duration
from xtramail.model.errors import BadInput
from xtramail.model.hook_url import check_hook_url
from xtramail.model.host import parse_host
from xtramail.model.secret import Secret
from xtramail.model.size import UNITS, parse_size
from xtramail.wire.imap.client_masks import ClientMask, read_client_mask, show_client_mask

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value.

    ``parse`` takes a TOML value and raises ValueError with the rule and an example; ``show`` gives TOML back;
    ``from_text`` turns what stands in the environment or behind an option (text) into such a TOML value.
    """

    name: str
    parse: Callable[[object], T]
    show: Callable[[T], str]
    from_text: Callable[[str], object]


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's (TOML 1.0 "String"), but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("must not have control characters")
    return value


def _number_from_text(text: str) -> object:
    digits = text.strip().removeprefix("-")
    # int() of endless digits is quadratic; nothing here needs more than ten.
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else text


TEXT = Kind("text", _text, _quoted, str)


def number(lowest: int, highest: int) -> Kind[int]:
    """A whole number within both bounds."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return value

    return Kind("number", parse, str, _number_from_text)


def _parse_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


SWITCH = Kind(
    "switch",
    _parse_switch,
    lambda value: "true" if value else "false",
    lambda text: {"true": True, "false": False}.get(text.strip().lower(), text),
)


def choice(*words: str) -> Kind[str]:
    """One of the words."""

    def parse(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return Kind("choice", parse, _quoted, str)


def _show_duration(seconds: float) -> str:
    return _quoted(duration_text(seconds))


DURATION = Kind("duration", parse_duration, _show_duration, str)


def _parse_durations(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= 100:
        raise ValueError('must be a list of times such as ["1m", "2m", "5m"], 1 to 100 of them')
    times = tuple(parse_duration(one) for one in value)
    if any(seconds <= 0 for seconds in times):
        raise ValueError("must not have a time of nothing")
    return times


def _words(text: str) -> object:
    return [word for word in text.replace(",", " ").split() if word]


DURATIONS = Kind("durations", _parse_durations, lambda times: f"[{', '.join(map(_show_duration, times))}]", _words)


def _parse_size(value: object) -> int:
    return parse_size(str(value) if isinstance(value, str | int) and not isinstance(value, bool) else "")


def show_size(octets: int) -> str:
    """The shortest exact way to write it."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if octets and octets % UNITS[unit] == 0:
            return _quoted(f"{octets // UNITS[unit]}{unit}")
    return str(octets)


SIZE = Kind("size", _parse_size, show_size, str)


def _parse_path(value: object) -> Path:
    text = _text(value)
    if not text:
        raise ValueError("must name a file or folder")
    return Path(text)


PATH = Kind("path", _parse_path, lambda path: _quoted(str(path)), str)


def _parse_optional_path(value: object) -> Path | None:
    text = _text(value)
    return Path(text) if text else None


OPTIONAL_PATH = Kind("path", _parse_optional_path, lambda path: _quoted(str(path or "")), str)


def _list_of(value: object, parse: Callable[[str], str], example: str) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(one, str) for one in entries):
        raise ValueError(f"must be text or a list of texts such as [{_quoted(example)}]")
    return tuple(parse(_text(one)) for one in entries)


def _show_texts(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _host_name(text: str) -> str:
    try:
        return domain_key(text)
    except BadInput as error:
        raise ValueError(error.text) from None


HOST_NAMES = Kind(
    "names", lambda value: _list_of(value, _host_name, "mail.example.org"), _show_texts, lambda text: _words(text)
)

CLIENT_MASKS = Kind(
    "client masks",
    lambda value: _masks(value),
    lambda masks: _show_texts(tuple(map(show_client_mask, masks))),
    lambda text: [text] if text.strip() else [],
)


def _masks(value: object) -> tuple[ClientMask, ...]:
    return tuple(map(read_client_mask, _list_of(value, str, "name=Example*: IDLE")))


_ENDPOINT_KINDS = ("tcp", "tcp6", "unix", "systemd")


def check_endpoint(text: str) -> str:
    """A Twisted endpoint string of a listening socket, unchanged; ValueError says what is wrong with it."""
    kind, colon, rest = text.partition(":")
    if kind in ("ssl", "tls"):
        raise ValueError(
            f"{text!r}: {kind}: is refused because TLS is the service's own (see [certificates]); "
            "name the socket only, such as tcp6:993"
        )
    if kind not in _ENDPOINT_KINDS or not colon or not rest:
        raise ValueError(f"{text!r}: must begin with one of {', '.join(_ENDPOINT_KINDS)}, such as tcp6:25")
    # Twisted's own rule: a backslash makes the next character stand for itself.
    fields = rest.replace("\\\\", "").replace("\\:", "").split(":")
    if kind in ("tcp", "tcp6"):
        named = {key: value for key, equals, value in (field.partition("=") for field in fields) if equals}
        port = named.get("port", fields[0])
        if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
            raise ValueError(f"{text!r}: needs a port from 0 to 65535, such as {kind}:25")
    elif kind == "systemd":
        keys = {field.partition("=")[0] for field in fields}
        if "domain" not in keys or not keys & {"index", "name"}:
            raise ValueError(f"{text!r}: needs domain and name, such as systemd:domain=INET6:name=imaps")
    return text


def _one_endpoint(text: str) -> object:
    return [text] if text.strip() else []


ENDPOINTS = Kind("endpoints", lambda value: _list_of(value, check_endpoint, "tcp6:25"), _show_texts, _one_endpoint)


def _parse_host_port(value: object) -> str:
    text = _text(value)
    if not text:
        return ""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host = text
    elif not (port.isascii() and port.isdigit()) or len(port) > 5 or not 0 < int(port) <= 65535:
        raise ValueError(f"{text!r}: must be HOST or HOST:PORT, such as smarthost.example.org:587")
    _host_name(host)
    return text


HOST_PORT = Kind("host", _parse_host_port, _quoted, str)


def _parse_name_server(value: object) -> str:
    text = _text(value)
    if not text:
        return ""
    try:
        ip_address(parse_host(text, 53)[0])
    except (BadInput, ValueError):
        raise ValueError(f"{text!r}: must be an address, such as 127.0.0.1 or [::1]:5353") from None
    return text


NAME_SERVER = Kind("name server", _parse_name_server, _quoted, str)


def _mail_address(text: str) -> str:
    try:
        return str(Address.parse(text))
    except BadInput as error:
        raise ValueError(error.text) from None


ADDRESSES = Kind("addresses", lambda value: _list_of(value, _mail_address, "ops@example.org"), _show_texts, _words)

HOOK = Kind("URL", lambda value: check_hook_url(text) if (text := _text(value)) else "", _quoted, str)


def _parse_secret(value: object) -> Secret:
    text = _text(value)
    if text and len(text) < 16:
        raise ValueError("must have at least 16 characters, so that nobody guesses it")
    return Secret(text)


SECRET = Kind("secret", _parse_secret, lambda secret: _quoted(secret.reveal()), str)
