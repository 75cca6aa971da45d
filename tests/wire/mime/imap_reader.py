"""A small strict reader of IMAP data (RFC 9051 §9), to check that what we render is IMAP at all."""

from __future__ import annotations

import re

Value = None | int | bytes | list["Value"]

_number = re.compile(rb"[0-9]+").match
_quoted = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"').match
_literal = re.compile(rb"\{([0-9]+)\}\r\n").match


def read_imap(octets: bytes) -> Value:
    """The one value ``octets`` is; AssertionError when it is not exactly one."""
    stack: list[list[Value]] = [[]]
    at = 0
    while at < len(octets):
        first = octets[at : at + 1]
        if first == b"(":
            stack.append([])
            at += 1
            continue
        if first == b")":
            done = stack.pop()
            assert stack, "one parenthesis too many"
            stack[-1].append(done)
            at += 1
        elif octets.startswith(b"NIL", at):
            stack[-1].append(None)
            at += 3
        elif match := _quoted(octets, at):
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", match[1]))
            at = match.end()
        elif match := _literal(octets, at):
            end = match.end() + int(match[1])
            text = octets[match.end() : end]
            assert len(text) == int(match[1]) and b"\0" not in text
            stack[-1].append(text)
            at = end
        elif match := _number(octets, at):
            stack[-1].append(int(match[0]))
            at = match.end()
        else:
            raise AssertionError(f"not IMAP at {at}: {octets[at : at + 40]!r}")
        following = octets[at : at + 1]
        if following == b" ":
            at += 1
            assert octets[at : at + 1] not in (b" ", b")", b""), f"stray space at {at}"
        else:
            # Only lists may stand side by side: bodies of a multipart, addresses.
            assert following in (b")", b"") or octets[at - 1 : at + 1] == b")(", f"no space at {at}"
    assert len(stack) == 1 and len(stack[0]) == 1, "not one value"
    return stack[0][0]


def check_envelope(value: Value) -> None:
    """``envelope`` of RFC 9051 §9."""
    assert isinstance(value, list) and len(value) == 10
    for index in (0, 1, 8, 9):
        assert value[index] is None or isinstance(value[index], bytes)
    for index in range(2, 8):
        addresses = value[index]
        if addresses is None:
            continue
        assert isinstance(addresses, list) and addresses
        open_group = False
        for address in addresses:
            assert isinstance(address, list) and len(address) == 4
            assert all(piece is None or isinstance(piece, bytes) for piece in address)
            if address[3] is None:
                # Group syntax: begins with a name, ends with nothing at all.
                assert address[0] is None and address[1] is None
                assert (address[2] is None) is open_group
                open_group = not open_group
        assert not open_group


def check_body(value: Value, *, extended: bool) -> None:
    """``body`` of RFC 9051 §9, with all extension fields or with none."""
    assert isinstance(value, list) and value
    if isinstance(value[0], list):
        parts = [item for item in value if isinstance(item, list)]
        count = next(index for index, item in enumerate(value) if not isinstance(item, list))
        for part in parts[:count]:
            check_body(part, extended=extended)
        assert isinstance(value[count], bytes)
        rest = value[count + 1 :]
        assert len(rest) == (4 if extended else 0)
        if extended:
            _check_parameters(rest[0])
            _check_extension(rest[1:])
        return
    assert isinstance(value[0], bytes) and isinstance(value[1], bytes)
    _check_parameters(value[2])
    assert value[3] is None or isinstance(value[3], bytes)
    assert value[4] is None or isinstance(value[4], bytes)
    assert isinstance(value[5], bytes) and isinstance(value[6], int)
    at = 7
    if value[0] == b"message" and value[1] in (b"rfc822", b"global"):
        check_envelope(value[7])
        check_body(value[8], extended=extended)
        assert isinstance(value[9], int)
        at = 10
    elif value[0] == b"text":
        assert isinstance(value[7], int)
        at = 8
    rest = value[at:]
    assert len(rest) == (4 if extended else 0)
    if extended:
        assert rest[0] is None or isinstance(rest[0], bytes)
        _check_extension(rest[1:])


def _check_parameters(value: Value) -> None:
    if value is not None:
        assert isinstance(value, list) and value and len(value) % 2 == 0
        assert all(isinstance(item, bytes) for item in value)


def _check_extension(rest: list[Value]) -> None:
    disposition, language, location = rest
    if disposition is not None:
        assert isinstance(disposition, list) and len(disposition) == 2 and isinstance(disposition[0], bytes)
        _check_parameters(disposition[1])
    if language is not None:
        assert isinstance(language, list) and language and all(isinstance(item, bytes) for item in language)
    assert location is None or isinstance(location, bytes)
