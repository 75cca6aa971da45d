"""One visit to one mailbox owner's IMAP at the primary: log in, find the mailbox for sent mail, look, append.

Blocking: everything here but :meth:`Visit.cut` runs in a worker thread, whose bounds and order are ``primary_imap``'s.
TLS is always verified. What went wrong is told in words, as VisitFailed.
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from itertools import chain
from typing import Any

from imapclient import SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError
from imapclient.imap_utf7 import decode as decode_utf7

from xtramail.directory.imap_access import ImapAccess
from xtramail.net.bounded_imap import BoundedImapClient

Name = bytes | str
"""Of a mailbox, as the server wrote it."""
Listed = tuple[tuple[bytes, ...], bytes, Name]
"""A line of LIST: attributes, separator and name."""

SENT_NAMES = (
    "sent", "sent items", "sent messages", "sent mail", "gesendet", "gesendete objekte", "gesendete elemente",
    "gesendete nachrichten", "éléments envoyés", "messages envoyés", "envoyés", "courrier envoyé", "elementos enviados",
    "enviados", "itens enviados", "mensagens enviadas", "posta inviata", "inviata", "verzonden items", "verzonden",
    "verzonden berichten", "skickat", "skickade objekt", "sendte elementer", "sendt post", "sendt",
    "lähetetyt", "lähetetyt viestit", "wysłane", "elementy wysłane", "odeslané", "odeslaná pošta", "odoslané",
    "elküldött elemek", "elemente trimise", "isporučeno", "отправленные", "надіслані", "gönderilmiş öğeler",
    "gönderilmiş", "送信済み", "送信済みアイテム", "已发送", "已发送邮件", "寄件備份", "보낸 편지함",
)  # fmt: skip
"""Case-folded names under which mail programs and servers keep sent mail, where none is marked as that."""
RECEIVED = "Received"
"""The field that every hop adds to: a value is looked for in each."""
OTHERS = 500
"""Mailboxes of one owner that are looked through at most."""
TOGETHER = 20
"""Message-IDs in one SEARCH."""
_FAREWELL = 2.0
"""Seconds."""
_SOME_TROUBLE = ("[unavailable]", "[limit]", "[inuse]", "[serverbug]", "too many", "try again", "temporar")
"""What a server says with NO to a login that is no word about the credentials."""


class VisitFailed(Exception):
    """``text`` for people. ``credentials``: the login was refused. ``silent``: the server gave no answer, or none that
    can be used. ``doubtful``: what was sent may have been taken."""

    def __init__(
        self, text: str, *, credentials: bool = False, silent: bool = False, doubtful: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.credentials = credentials
        self.silent = silent
        self.doubtful = doubtful


class Visit:
    """In order: ``open`` and some questions, once or often, then ``close``; what failed once is closed."""

    def __init__(
        self,
        access: ImapAccess,
        address: str,
        *,
        connect: float,
        answer: float,
        dial: Callable[..., Any] = BoundedImapClient,
    ) -> None:
        """``connect`` and ``answer``: seconds to wait for a connection, and for each answer. ``dial`` connects, with
        the arguments of IMAPClient."""
        self._dial = dial
        self._access = access
        self._address = address
        self._timeout = SocketTimeout(connect=connect, read=answer)
        self._client: Any = None
        self._sent: Name = ""
        """The mailbox for sent mail, once it was found."""
        self._cut = ""
        self._lost = False

    def cut(self, why: str) -> None:
        """End it from another thread: whatever it waits for fails."""
        self._cut = self._cut or why
        client = self._client
        if client is not None:
            with contextlib.suppress(OSError):
                client.socket().shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Connect, TLS, log in; nothing of it where that was done, and the server answers still."""
        if self._client is not None and self._answers():
            return
        with self._told("connect"):
            context = _context(self._access.ca)
            starttls = self._access.starttls
            self._client = self._dial(
                self._access.host,
                self._access.port,
                ssl=not starttls,
                ssl_context=None if starttls else context,
                timeout=self._timeout,
            )
            # It would format every line, a whole message as well, for a log that nobody reads.
            self._client._imap.debug = 0
            # Names stay as they came: one that is no modified UTF-7 must not hide the others.
            self._client.folder_encode = False
            # IMAPClient sends the end of a line by itself, which Nagle's algorithm would hold back each time.
            self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._cut:
                raise OSError(self._cut)
            if starttls:
                self._client.starttls(context)
        with self._told("login"):
            self._log_in(self._access.login_of(self._address))

    def _answers(self) -> bool:
        """Whether a connection that was kept is one yet. It is closed where not: the server, or a firewall between,
        may have ended it while nobody looked."""
        client = self._client
        try:
            client.socket().settimeout(self._timeout.connect)
            client.noop()
            client.socket().settimeout(self._timeout.read)
            return True
        except Exception:
            self._client, self._sent = None, ""
            with contextlib.suppress(Exception):
                client.shutdown()
            return False

    def close(self) -> None:
        """LOGOUT where that is possible; nobody waits long for its answer."""
        client, self._client = self._client, None
        if client is not None:
            if not self._lost and not self._cut:
                with contextlib.suppress(Exception):
                    client.socket().settimeout(_FAREWELL)
                    client.logout()
            with contextlib.suppress(Exception):
                client.shutdown()

    def sent_mailbox(self) -> Name:
        """The mailbox for sent mail; made, as ``Sent``, where there is none. Looked for once in a connection: one that
        goes away meanwhile makes ``holds`` or ``append`` fail, and with that the connection is closed."""
        if not self._sent:
            self._sent = self._sent_mailbox()
        return self._sent

    def _sent_mailbox(self) -> Name:
        with self._told("finding the mailbox for sent mail"):
            listed: list[Listed] = self._client.list_folders()
            for found in chain([listed], self._listed_otherwise()):
                for flags, _, name in found:
                    if b"\\sent" in (flag.lower() for flag in flags):
                        return name
            by_name = {_last(name, separator).casefold(): name for _, separator, name in reversed(listed)}
            for usual in SENT_NAMES:
                if usual in by_name:
                    return by_name[usual]
            fresh = f"{self._prefix()}Sent"
            self._client.create_folder(fresh)
            with contextlib.suppress(IMAPClientError):
                self._client.subscribe_folder(fresh)
            return fresh

    def holds(self, mailbox: Name, field: str, value: str) -> bool:
        """Whether a message there has exactly this value in this field."""
        with self._told("looking for the message"):
            return value in self._found_in(mailbox, field, [value])

    def append(self, mailbox: Name, octets: bytes, sent_at: float) -> None:
        """\\Seen, with its INTERNALDATE. VisitFailed is ``doubtful`` unless the server said no."""
        with self._told("APPEND", doubtful=True):
            self._client.append(mailbox, octets, (b"\\Seen",), datetime.fromtimestamp(int(sent_at), tz=UTC))

    def found(self, values: Iterable[str], field: str = "Message-ID") -> frozenset[str]:
        """Those that are this field of a message in any mailbox: INBOX first, then those that are likely to hold
        everything. Of Received each is a part."""
        with self._told("looking for messages"):
            missing = dict.fromkeys(values)
            there: set[str] = set()
            listed = self._client.list_folders()
            for flags, _, name in sorted(listed, key=_likely)[:OTHERS]:
                if not missing:
                    break
                if {b"\\noselect", b"\\nonexistent"} & {flag.lower() for flag in flags}:
                    continue
                try:
                    there |= self._found_in(name, field, list(missing))
                except (IMAPClientError, UnicodeError) as error:
                    if isinstance(error, imaplib.IMAP4.abort) or shown_name(name).upper() == "INBOX":
                        raise
                missing = {one: None for one in missing if one not in there}
            return frozenset(there)

    def remove(self, message_ids: Sequence[str]) -> int:
        """Delete what has one of these Message-IDs, in whatever mailbox; how many messages went.

        Only they are expunged (RFC 4315 §2.1); a server that cannot do that keeps them marked as \\Deleted.
        """
        with self._told("deleting messages"):
            gone = 0
            alone = self._client.has_capability("UIDPLUS") or self._client.has_capability("IMAP4rev2")
            for flags, _, name in sorted(self._client.list_folders(), key=_likely)[:OTHERS]:
                if {b"\\noselect", b"\\nonexistent"} & {flag.lower() for flag in flags}:
                    continue
                try:
                    self._client.select_folder(name)
                    uids = self._uids_with("Message-ID", message_ids)
                    if uids:
                        self._client.add_flags(uids, [b"\\Deleted"], silent=True)
                        gone += len(uids)
                        if alone:
                            self._client.uid_expunge(uids)
                except imaplib.IMAP4.readonly:
                    continue
                except (IMAPClientError, UnicodeError) as error:
                    if isinstance(error, imaplib.IMAP4.abort):
                        raise
            return gone

    def _uids_with(self, field: str, values: Sequence[str]) -> list[int]:
        """In the mailbox that is selected, compared whole."""
        uids = self._client.search(_any_of(field, values[:TOGETHER]))
        if not uids:
            return []
        rows = self._client.fetch(uids[:TOGETHER], [f"BODY.PEEK[HEADER.FIELDS ({field.upper()})]"])
        found: list[int] = []
        for uid, row in rows.items():
            text = next((value for key, value in row.items() if key.startswith(b"BODY[")), b"")
            if str(BytesHeaderParser().parsebytes(text or b"").get(field, "")).strip() in values:
                found.append(uid)
        return found

    def _found_in(self, mailbox: Name, field: str, values: Sequence[str]) -> set[str]:
        """SEARCH HEADER finds substrings (RFC 9051 §6.4.4), and some servers words: what it finds is compared."""
        self._client.select_folder(mailbox, readonly=True)
        there: set[str] = set()
        for start in range(0, len(values), TOGETHER):
            some = values[start : start + TOGETHER]
            uids = self._client.search(_any_of(field, some))
            if not uids:
                continue
            # A message may be found many times over; a server that finds everything must not be read whole.
            rows = self._client.fetch(uids[: 50 * TOGETHER], [f"BODY.PEEK[HEADER.FIELDS ({field.upper()})]"])
            for row in rows.values():
                text = next((value for key, value in row.items() if key.startswith(b"BODY[")), b"")
                lines = [str(one) for one in BytesHeaderParser().parsebytes(text or b"").get_all(field, [""])]
                if field == RECEIVED:
                    unfolded = " ".join(" ".join(lines).split())
                    there.update(value for value in some if value in unfolded)
                else:
                    there.add(lines[0].strip())
        return there.intersection(values)

    def _log_in(self, name: str) -> None:
        client, secret, mechanism = self._client, self._access.secret.reveal(), self._access.mechanism
        try:
            if mechanism == "xoauth2":
                if client.has_capability("AUTH=XOAUTH2") or not client.has_capability("AUTH=OAUTHBEARER"):
                    client.oauth2_login(name, secret)
                else:
                    client.oauthbearer_login(name, secret)
            elif mechanism == "plain":
                client.plain_login(name, secret, self._address)
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(name, secret)
            else:
                # imaplib quotes the password and not the name, in which * or a space may be.
                client.login(_quoted(name), secret)
        except LoginError as error:
            said = _words(error)
            trouble = any(word in said.lower() for word in _SOME_TROUBLE)
            raise VisitFailed(f"login of {name} refused: {said}", credentials=not trouble) from None

    def _listed_otherwise(self) -> Iterator[list[Listed]]:
        """LIST as RFC 6154 §5.2 has it for servers that mark mailboxes only when asked; XLIST of older ones."""
        client = self._client
        if client.has_capability("SPECIAL-USE"):
            kind, said = client._imap._simple_command("LIST", '""', '"*"', "RETURN", "(SPECIAL-USE)")
            if kind == "OK":
                _, rows = client._imap._untagged_response(kind, said, "LIST")
                yield client._proc_folder_list(rows)
        if client.has_capability("XLIST"):
            yield client.xlist_folders()

    def _prefix(self) -> str:
        """Of the user's own mailboxes (RFC 2342)."""
        if not self._client.has_capability("NAMESPACE"):
            return ""
        personal = self._client.namespace().personal
        return shown_name(personal[0][0]) if personal else ""

    @contextlib.contextmanager
    def _told(self, what: str, *, doubtful: bool = False) -> Iterator[None]:
        """Everything that a server, a network or a library may throw, as VisitFailed."""
        try:
            yield
        except VisitFailed as failed:
            raise VisitFailed(f"IMAP {self._access}: {failed.text}", credentials=failed.credentials) from None
        except Exception as error:
            # The server's own no is its answer; anything else leaves open how far it came.
            said_no = isinstance(error, imaplib.IMAP4.error) and not isinstance(error, imaplib.IMAP4.abort)
            self._lost = self._lost or not said_no
            words = self._cut or _words(error)
            raise VisitFailed(
                f"IMAP {self._access}: {what}: {words}", silent=not said_no, doubtful=doubtful and not said_no
            ) from None


def searchable(message_id: str) -> bool:
    """Whether it can be put into a SEARCH as it is."""
    return 0 < len(message_id) <= 500 and message_id.isascii() and message_id.isprintable()


def _any_of(field: str, values: Sequence[str]) -> str:
    """Search keys that match any of them (RFC 9051 §6.4.4)."""
    keys = [f"HEADER {field} {_quoted(value)}" for value in values]
    return "OR " * (len(keys) - 1) + " ".join(keys)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def shown_name(name: Name) -> str:
    """For people, and to compare: decoded where it is modified UTF-7 (RFC 3501 §5.1.3), as it came where it is not."""
    if isinstance(name, str):
        return name
    try:
        return str(decode_utf7(name))
    except Exception:
        return name.decode("ascii", "replace")


def _likely(row: Listed) -> tuple[int, str]:
    flags, name = {flag.lower() for flag in row[0]}, shown_name(row[2])
    return 0 if name.upper() == "INBOX" else 1 if b"\\all" in flags else 2 if b"\\archive" in flags else 3, name


def _last(name: Name, separator: bytes | None) -> str:
    shown = shown_name(name)
    return shown.rpartition(separator.decode("ascii", "replace"))[2] if separator else shown


def _words(error: BaseException) -> str:
    """One line of what went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = " ".join(str(error).split())
    if isinstance(error, imaplib.IMAP4.abort) and "EOF" in text:
        return "the connection was lost"
    return text[:500] or type(error).__name__


def _context(ca: str) -> ssl.SSLContext:
    """Chain and name are checked; the file may hold the host's own certificate, whose issuer nobody has."""
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
