"""THREAD over the messages of a view, in slices (RFC 5256 §3).

Owns what each message is known by: its row, and for REFERENCES one field of its stored header. The algorithms are
``threads``'.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence

from xtramail.mailbox import envelopes
from xtramail.mailbox.rows import SLICE, read_rows, slices
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.thread_tree import MOST_REFERENCES, Letter, Node
from xtramail.mailbox.threads import threads_of
from xtramail.mailbox.turns import Turns
from xtramail.mailbox.view import Place, Telling, View
from xtramail.model.collation import casemap
from xtramail.model.errors import Corrupt, NoSuchMessage
from xtramail.model.subject import is_reply
from xtramail.store import bodies
from xtramail.store.records import MessageRow
from xtramail.wire.imap.search_keys import SearchKey
from xtramail.wire.imap.sort_commands import ThreadAlgorithm
from xtramail.wire.mime.header import unfold, values
from xtramail.wire.mime.words import decode_value

_HEADER_OCTETS = 256 * 1024
_HEADERS = 64
"""Read at once."""
_ANSWERING = frozenset({b"references", b"in-reply-to"})
_ANSWERS = re.compile(rb"^(?:references|in-reply-to)", re.IGNORECASE | re.MULTILINE).search
# RFC 5322 §3.6.4: msg-id = "<" id-left "@" id-right ">"; senders leave the @ out.
_message_ids = re.compile(rb"<[^<>]{1,998}>").findall


class ThreadRun:
    """Go through :meth:`steps` to the end, then read :attr:`roots`."""

    def __init__(
        self, services: MailboxServices, view: View, key: SearchKey, algorithm: ThreadAlgorithm, *, telling: Telling
    ) -> None:
        """``telling`` as for ``SearchRun``."""
        self._engine = services.engine
        self._view = view
        self._algorithm = algorithm
        self.turns = Turns(services, passes=2)
        self._search = SearchRun(services, view, key, self.turns, telling=telling)
        self.roots: list[Node] = []

    def steps(self) -> Generator[None, None, None]:
        """Each step is one slice of work; LimitReached when all of them took too long."""
        yield from self._search.steps()
        letters: list[Letter] = []
        for number, run in enumerate(slices(self._view, self._search.found)):
            self.turns.came_to(number * SLICE, len(self._search.found))
            rows = read_rows(self._engine, self._view.shared.account_id, self._view.mailbox_id, run)
            for start in range(0, len(run), _HEADERS):
                some = run[start : start + _HEADERS]
                headers = self._headers([rows[place.uid] for place in some if place.uid in rows])
                for place in some:
                    row = rows.get(place.uid)
                    header = headers.get(row) if row is not None else None
                    letters.append(self._letter(len(letters), place, row, header))
                yield from self.turns.pause()
        self.roots = yield from self.turns.paced(threads_of(letters, self._algorithm))

    def _headers(self, rows: Sequence[MessageRow]) -> dict[MessageRow, bytes]:
        """Those of a few messages in one transaction; missing are the few that are long or damaged."""
        if self._algorithm is ThreadAlgorithm.ORDEREDSUBJECT:
            return {}
        read = bodies.headers(self._engine, [row.body for row in rows])
        return {row: header for row, header in zip(rows, read, strict=True) if header is not None}

    def _letter(self, order: int, place: Place, row: MessageRow | None, header: bytes | None) -> Letter:
        """A message whose row cannot be read is a thread of its own."""
        if row is None:
            return Letter(uid=place.uid, order=order, sent_at=0, subject="")
        if self._algorithm is ThreadAlgorithm.ORDEREDSUBJECT:
            return Letter(uid=place.uid, order=order, sent_at=row.sent_at, subject=casemap(row.subject))
        return Letter(
            uid=place.uid,
            order=order,
            sent_at=row.sent_at,
            subject=casemap(row.subject),
            answers=_answers(row),
            message_id=normal_id(row.message_id.encode()),
            references=self._references(self._header(row) if header is None else header),
        )

    def _references(self, header: bytes) -> tuple[str, ...]:
        """References, or the first id of In-Reply-To where it has none (RFC 5256 §3, step 1)."""
        # Most mail answers nothing: it is not unfolded to learn so.
        if _ANSWERS(header) is None:
            return ()
        fields = values(unfold(header), _ANSWERING)
        found = [one for value in fields.get(b"references", ()) for one in _message_ids(value)]
        if not found:
            found = [one for value in fields.get(b"in-reply-to", ()) for one in _message_ids(value)][:1]
        return tuple(normal_id(one) for one in found[-MOST_REFERENCES:])

    def _header(self, row: MessageRow) -> bytes:
        try:
            return bodies.read(self._engine, row.body, 0, min(row.header_length, _HEADER_OCTETS))
        except (Corrupt, NoSuchMessage):
            return b""


def _answers(row: MessageRow) -> bool:
    """Whether the subject says so; where nothing was taken off it, it does not."""
    subject = envelopes.envelope_text(row.envelope, envelopes.SUBJECT)
    return subject != row.subject.encode() and is_reply(decode_value(subject))


def normal_id(octets: bytes) -> str:
    """A Message-ID to compare: without its angle brackets, its left side unquoted where nothing needs the quotes
    (RFC 5256 §3, step 1)."""
    text = octets.strip().removeprefix(b"<").removesuffix(b">").strip()
    if text.startswith(b'"'):
        left, at, right = text.rpartition(b"@")
        if at and len(left) > 1 and left.endswith(b'"'):
            text = left[1:-1].replace(b"\\", b"") + b"@" + right
    return text.decode("utf-8", "replace")


def thread_text(roots: list[Node], view: View | None) -> Iterator[bytes]:
    """``(2)(3 6 (4 23)(44 7 96))`` (RFC 5256 §5, ``thread-list``); UIDs without ``view``, else its numbers."""
    pieces: list[bytes] = []
    # None closes a parenthesis.
    work: list[Node | None] = list(reversed(roots))
    while work:
        node = work.pop()
        if node is None:
            pieces.append(b")")
            continue
        pieces.append(b"(")
        work.append(None)
        while node.letter is not None:
            uid = node.letter.uid
            pieces.append(b"%d" % (uid if view is None else view.number(uid)))
            if node.children:
                pieces.append(b" ")
            if len(node.children) != 1:
                break
            node = node.children[0]
        work.extend(reversed(node.children))
        if len(pieces) > 4096:
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces)
