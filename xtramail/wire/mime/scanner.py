"""Reads a message once, chunk by chunk, and says where its parts are.

Owns finding headers and boundary delimiters (RFC 2046 §5.1.1) by searching whole chunks, never line by line; memory is
bounded whatever the size of the message: the headers, the encoded text for search, and one held-back line. What headers
mean is ``entity``'s, the finished facts are ``summary``'s. No mail content makes it raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xtramail.model.message import Summary
from xtramail.wire.errors import MisuseError
from xtramail.wire.mime import limits
from xtramail.wire.mime.entity import Entity, Kind
from xtramail.wire.mime.summary import build_summary, header_text
from xtramail.wire.mime.text import TextCollector

_SLICE: Final = 128 * 1024
"""Octets fed at once: the clock is looked at in between, and slices stay in the processor's cache."""
_CR: Final = 13


def summarise(message: bytes | memoryview, *, clock: Callable[[], float] | None = None) -> Summary:
    """The Summary of a whole message; ``clock`` gives seconds of work (the time budget needs it)."""
    scanner = Scanner(clock=clock)
    if len(message) <= _SLICE:
        scanner.feed(message)
    else:
        view = memoryview(message)
        for at in range(0, len(message), _SLICE):
            scanner.feed(view[at : at + _SLICE])
    return scanner.finish()


class Scanner:
    """``feed`` the octets in any pieces, then ``finish``. The Summary does not depend on how the octets were cut.

    ``clock`` gives seconds of work: those spent inside ``feed`` count against ``limits.TIME_SECONDS``, and on a busy
    machine most of the seconds that pass there are others'.
    Offsets in the Summary count from the first octet fed: feed the trace header first.
    """

    __slots__ = (
        "_at",
        "_base",
        "_clock",
        "_data",
        "_delimiters",
        "_entities",
        "_finished",
        "_header_left",
        "_in_header",
        "_kept",
        "_last",
        "_line_count",
        "_looks",
        "_messages_open",
        "_opaque",
        "_root",
        "_size",
        "_spent",
        "_stack",
        "_taking_lines",
        "_taking_text",
        "_text",
    )

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._spent = 0.0
        self._size = 0
        # A line feed that is not there, before the first octet: so every line start looks the same.
        self._data = b"\n"
        self._base = -1
        """Offset in the message of the first octet in ``_data``."""
        self._at = 0
        """Offset up to which every octet has been assigned to an entity."""
        self._in_header = True
        self._kept: list[bytes] = []
        """Pieces of the header being read."""
        self._header_left = limits.HEADER_OCTETS
        self._root = Entity(header_at=0, is_message=True)
        self._stack = [self._root]
        """Open entities, outermost first."""
        self._entities = 1
        self._messages_open = 0
        self._delimiters: dict[bytes, tuple[int, bool]] = {}
        """Delimiter line to (index in the stack of the multipart it belongs to, whether it closes it)."""
        self._looks = limits.DELIMITER_LOOKS
        self._line_count = 0
        """Line ends counted so far, where anybody needs them; ``Entity.lines`` the count at its start meanwhile."""
        self._taking_lines = False
        self._taking_text = False
        self._last = 0
        """The last octet taken into a body."""
        self._text = TextCollector()
        self._opaque = False
        self._finished = False

    @property
    def size(self) -> int:
        """Octets fed so far."""
        return self._size

    def feed(self, chunk: bytes | memoryview) -> None:
        """The next octets of the message. MisuseError after ``finish``."""
        if self._finished:
            raise MisuseError("feed after finish")
        self._size += len(chunk)
        if self._opaque or not chunk:
            return
        started = self._clock() if self._clock is not None else 0.0
        self._data = self._data + chunk if self._data else bytes(chunk)
        self._scan(final=False)
        if self._clock is not None:
            self._spent += self._clock() - started
            if self._spent > limits.TIME_SECONDS:
                self._give_up()

    def finish(self) -> Summary:
        """The Summary of everything fed. MisuseError when called twice."""
        if self._finished:
            raise MisuseError("finish called twice")
        self._finished = True
        started = self._clock() if self._clock is not None else 0.0
        if not self._opaque:
            self._scan(final=True)
            if not self._opaque:
                self._close_from(0, self._size)
            if self._clock is not None and self._spent + self._clock() - started > limits.TIME_SECONDS:
                self._opaque = True
        if self._opaque:
            self._root.make_opaque()
            self._root.body_end = self._size
        return build_summary(self._root, self._text, size=self._size, opaque=self._opaque)

    def _scan(self, *, final: bool) -> None:
        """Assign as much of ``_data`` as can be decided; all of it if ``final``."""
        data = self._data
        at = self._at - self._base
        while True:
            following = self._scan_header(data, at, final) if self._in_header else self._scan_body(data, at, final)
            if self._opaque:
                self._data = b""
                return
            if following < 0:
                break
            at = following
        if final:
            return
        # `_scan_*` moved `_at`; keep from there, and the line end before it where it stands at a line's start.
        at = self._at - self._base
        if at and data[at - 1 : at] == b"\n":
            at -= 1
        self._data = data[at:]
        self._base += at

    def _decided(self, data: bytes, at: int) -> int:
        """Index up to which ``data`` can be assigned before more comes: not a line that may be empty or a delimiter."""
        end = len(data)
        start = data.rfind(b"\n", max(at - 1, 0))
        if start >= 0:
            rest = data[start + 1 : start + 3]
            if not rest or rest in (b"\r", b"-") or (rest == b"--" and end - start - 3 < limits.DELIMITER_OCTETS):
                if start > at and data[start - 1] == _CR:
                    start -= 1
                return max(start, at)
        return end - 1 if end > at and data[end - 1] == _CR else end

    # Headers

    def _scan_header(self, data: bytes, at: int, final: bool) -> int:
        """Index behind the header of the innermost entity, -1 if its end is not there yet."""
        before = max(at - 1, 0)
        crlf = data.find(b"\n\r\n", before)
        # An empty line with a bare LF may be what the "\n" of "\n\r\n" ends.
        lf = data.find(b"\n\n", before, crlf + 1 if crlf >= 0 else len(data))
        end = lf + 2 if lf >= 0 else crlf + 3 if crlf >= 0 else -1
        if self._delimiters:
            # A part whose header never ends must not swallow its siblings.
            mark = self._find_delimiter(data, before, end if end >= 0 else len(data), final)
            if self._opaque:
                return -1
            if mark is not None:
                start, following, owner, closes = mark
                header_end = max(start + 1, at)
                self._keep(data, at, header_end)
                self._end_header(self._base + header_end)
                # The line end before the delimiter was the header's; so there is no body.
                return self._delimit(data, header_end, header_end, following, owner, closes)
        if end < 0:
            end = len(data) if final else self._decided(data, at)
            self._keep(data, at, end)
            self._at = self._base + end
            if final and self._in_header:
                self._end_header(self._at)
                if not self._opaque and self._in_header:
                    # The message inside a message/rfc822 that ends with its header: empty.
                    return end
            return -1
        self._keep(data, at, end)
        self._end_header(self._base + end)
        return -1 if self._opaque else end

    def _keep(self, data: bytes, start: int, end: int) -> None:
        """Header octets, as far as ``limits.HEADER_OCTETS`` go."""
        if self._messages_open:
            self._line_count += data.count(b"\n", start, end)
        end = min(end, start + self._header_left)
        if end > start:
            self._kept.append(data[start:end])
            self._header_left -= end - start

    def _end_header(self, body_at: int) -> None:
        """The innermost entity's header ends before offset ``body_at``: read it, and open what its body is."""
        header = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
        self._kept = []
        entity = self._stack[-1]
        if entity is self._root:
            self._header_left = limits.HEADER_OCTETS
        entity.body_at = entity.body_end = body_at
        entity.read_header(header)
        if entity.filename:
            self._text.add(entity.filename)
        self._at = body_at
        self._in_header = False
        self._taking_text = False
        entity.lines = self._line_count
        self._last = header[-1] if header else 10
        if entity.kind is Kind.MULTIPART:
            self._list_delimiters()
        elif entity.kind is Kind.MESSAGE:
            self._messages_open += 1
            self._open(Entity(header_at=body_at, is_message=True), entity)
        elif entity.maintype == b"text":
            self._taking_text = entity.subtype in (b"plain", b"html") and self._text.wants_more
            self._taking_lines = True
            return
        self._taking_lines = self._messages_open > 0 or entity.is_sealed

    def _open(self, entity: Entity, parent: Entity) -> None:
        self._entities += 1
        if self._entities > limits.PARTS or len(self._stack) >= limits.DEPTH:
            self._give_up()
            return
        entity.lines = self._line_count
        parent.children.append(entity)
        self._stack.append(entity)
        self._in_header = True

    # Bodies

    def _scan_body(self, data: bytes, at: int, final: bool) -> int:
        """Index behind the next delimiter line, -1 if there is none yet."""
        end = len(data)
        if not self._delimiters:
            self._take(data, at, end)
            self._at = self._base + end
            return -1
        mark = self._find_delimiter(data, max(at - 1, 0), end, final)
        if self._opaque:
            return -1
        if mark is None:
            end = end if final else self._decided(data, at)
            self._take(data, at, end)
            self._at = self._base + end
            return -1
        start, following, owner, closes = mark
        # The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
        if start > at and data[start - 1] == _CR:
            start -= 1
        return self._delimit(data, at, max(start, at), following, owner, closes)

    def _find_delimiter(self, data: bytes, at: int, stop: int, final: bool) -> tuple[int, int, int, bool] | None:
        """(index of the line end before it, index behind its line, owner's place in the stack, whether it closes).

        Only a whole line is a delimiter, padding apart: nested boundaries often begin with the outer one.
        """
        size = len(data)
        while (start := data.find(b"\n--", at, stop)) >= 0:
            line_end = data.find(b"\n", start + 3, start + 3 + limits.DELIMITER_OCTETS)
            if line_end < 0:
                if size - start - 3 >= limits.DELIMITER_OCTETS:
                    at = start + 3
                    continue
                if not final:
                    return None
                line, following = data[start + 1 :], size
            else:
                line, following = data[start + 1 : line_end], line_end + 1
            self._looks -= 1
            found = self._delimiters.get(line.rstrip(b" \t\r"))
            if found is not None:
                return start, following, found[0], found[1]
            if self._looks <= 0:
                self._give_up()
                return None
            if line_end < 0:
                return None
            at = line_end
        return None

    def _delimit(self, data: bytes, at: int, end: int, following: int, owner: int, closes: bool) -> int:
        """A delimiter of the multipart at ``owner`` in the stack: its open part ends before ``end``."""
        self._take(data, at, end)
        self._close_from(owner + 1, self._base + end)
        if self._messages_open:
            self._line_count += data.count(b"\n", end, following)
            self._last = 10
        self._at = self._base + following
        multipart = self._stack[owner]
        self._taking_text = False
        self._taking_lines = self._messages_open > 0
        if closes:
            multipart.boundary = None
            self._in_header = False
            self._list_delimiters()
        else:
            in_digest = multipart.subtype == b"digest"
            self._open(Entity(header_at=self._at, is_message=False, in_digest=in_digest), multipart)
        return following

    def _take(self, data: bytes, start: int, end: int) -> None:
        """Body octets of the innermost entity."""
        if end <= start:
            return
        if self._taking_lines:
            self._line_count += data.count(b"\n", start, end)
            self._last = data[end - 1]
        if self._taking_text:
            self._text.hold(data[start:end])
            self._taking_text = self._text.wants_more

    def _close_from(self, index: int, end: int) -> None:
        """Close the open entities from ``index`` in the stack on; their bodies end at offset ``end``."""
        stack = self._stack
        relist = False
        while len(stack) > index:
            entity = stack.pop()
            entity.body_end = end
            if entity.kind is Kind.MULTIPART:
                relist = True
            elif entity.kind is Kind.MESSAGE:
                self._messages_open -= 1
                self._close_lines(entity)
                for inner in entity.children:
                    self._text.add(header_text(inner.unfolded))
            elif entity.maintype == b"text":
                self._close_lines(entity)
                self._text.end_part(
                    encoding=entity.encoding,
                    charset=entity.charset,
                    subtype=entity.subtype,
                    is_attachment=entity.is_attachment,
                )
            elif entity.is_sealed:
                self._close_lines(entity)
        if relist:
            self._list_delimiters()

    def _close_lines(self, entity: Entity) -> None:
        """From the count at its start to the number of its lines; a last line without an end counts."""
        partial = entity.body_end > entity.body_at and self._last != 10
        entity.lines = self._line_count - entity.lines + partial

    def _list_delimiters(self) -> None:
        """The lines that now delimit; where two multiparts share a boundary, the inner one's counts."""
        self._delimiters = delimiters = {}
        for index, entity in enumerate(self._stack):
            if entity.boundary is not None:
                line = b"--" + entity.boundary
                delimiters[line] = (index, False)
                delimiters[line + b"--"] = (index, True)

    def _give_up(self) -> None:
        """A limit was hit: from here on octets are only counted. The top header is always read to its end first."""
        if self._in_header and self._stack[-1] is self._root:
            return
        self._opaque = True
        self._text.drop_part()
        self._data = b""
