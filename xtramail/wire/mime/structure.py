"""BODYSTRUCTURE and BODY (RFC 9051 §7.5.2), and the table of parts with their octets (§6.4.5.1).

Owns rendering of the tree the scanner found. Depth is bounded by ``limits.DEPTH``, so plain recursion is safe.
"""

from __future__ import annotations

from xtramail.model.message import Part
from xtramail.wire.mime.entity import Entity, Kind
from xtramail.wire.mime.envelope import AddressRoom, render_envelope
from xtramail.wire.mime.imap_string import language_list, nstring, parameter_list, string

# A multipart has at least one body in the grammar, even when no delimiter was ever met.
_NO_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0'
_NO_EXTENSION = b" NIL NIL NIL NIL"


def render_structures(root: Entity, room: AddressRoom) -> tuple[bytes, bytes]:
    """``(BODYSTRUCTURE, BODY)`` of the message ``root``."""
    if root.kind is Kind.MULTIPART:
        children = [render_structures(child, room) for child in root.children]
        if not children:
            children = [(_NO_PART + _NO_EXTENSION + b")", _NO_PART + b")")]
        subtype = b'"%b"' % root.subtype
        return (
            b"(%b %b %b%b)"
            % (b"".join([full for full, _ in children]), subtype, parameter_list(root.parameters), _extension(root)),
            b"(%b %b)" % (b"".join([plain for _, plain in children]), subtype),
        )
    octets = root.body_end - root.body_at
    # Type and encoding are tokens, which have nothing to quote (RFC 2045 §5.1).
    core = b'"%b" "%b" %b %b %b "%b" %d' % (
        root.maintype,
        root.subtype,
        parameter_list(root.parameters),
        nstring(root.content_id),
        nstring(root.description),
        root.encoding,
        octets,
    )
    tail = b" %b%b)" % (nstring(root.md5), _extension(root))
    if (root.kind is Kind.MESSAGE and root.children) or root.is_sealed:
        # An encoded one must have an ENVELOPE and a body too (RFC 9051 §9, body-type-msg): empty ones.
        inner = root.children[0] if root.children else Entity(header_at=0, is_message=True)
        envelope = render_envelope(inner.fields, room)
        full, plain = render_structures(inner, room)
        return (
            b"(%b %b %b %d%b" % (core, envelope, full, root.lines, tail),
            b"(%b %b %b %d)" % (core, envelope, plain, root.lines),
        )
    if root.maintype == b"text":
        core = b"%b %d" % (core, root.lines)
    return b"(%b%b" % (core, tail), b"(%b)" % core


def _extension(entity: Entity) -> bytes:
    """disposition, language, location: the extension fields that every body has."""
    if entity.disposition is None and not entity.languages and entity.location is None:
        return b" NIL NIL NIL"
    disposition = b"NIL"
    if entity.disposition is not None:
        disposition = b"(%b %b)" % (string(entity.disposition[0]), parameter_list(entity.disposition[1]))
    return b" %b %b %b" % (disposition, language_list(entity.languages), nstring(entity.location))


def part_table(root: Entity) -> tuple[Part, ...]:
    """The message itself as ``()`` first, then each part in the order of its section number."""
    parts = [_part(root, ())]
    _add_parts(root, (), parts)
    return tuple(parts)


def _add_parts(message: Entity, path: tuple[int, ...], parts: list[Part]) -> None:
    """RFC 9051 §6.4.5.1: a message that is no multipart has exactly part 1; a multipart's number its parts continue."""
    if message.kind is not Kind.MULTIPART:
        _add_part(message, (*path, 1), parts)
        return
    for number, child in enumerate(message.children, start=1):
        _add_part(child, (*path, number), parts)
    if not message.children:
        end = message.body_end
        parts.append(
            Part(
                path=(*path, 1),
                mime_at=end,
                mime_length=0,
                body_at=end,
                body_length=0,
                content_type="text/plain",
                encoding="7bit",
                charset="us-ascii",
                filename="",
            )
        )


def _add_part(entity: Entity, path: tuple[int, ...], parts: list[Part]) -> None:
    parts.append(_part(entity, path))
    if entity.kind is Kind.MULTIPART:
        _add_parts(entity, path, parts)
    elif entity.kind is Kind.MESSAGE and entity.children:
        _add_parts(entity.children[0], path, parts)


def _part(entity: Entity, path: tuple[int, ...]) -> Part:
    inner = entity.children[0] if entity.kind is Kind.MESSAGE and entity.children else None
    return Part(
        path=path,
        mime_at=entity.header_at,
        mime_length=entity.body_at - entity.header_at,
        body_at=entity.body_at,
        body_length=entity.body_end - entity.body_at,
        content_type=entity.content_type,
        encoding=entity.encoding.decode("ascii"),
        charset=entity.charset,
        filename=entity.filename,
        inner_header_length=-1 if inner is None else inner.body_at - inner.header_at,
    )
