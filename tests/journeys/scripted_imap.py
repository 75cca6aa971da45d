"""The IMAP side of a scripted primary: a small server that shows the mailboxes which its SMTP side fills.

Made of asyncio streams and of nothing of xtramail's, as ``scripted_primary``. It knows what give-back asks of a
primary (LOGIN, AUTHENTICATE, LIST, CREATE, EXAMINE, SEARCH HEADER, FETCH, APPEND, UID STORE and EXPUNGE) and does what
a test tells it.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.journeys.primary_mailboxes import Kept, Mailboxes
from tests.journeys.scripted_server import ScriptedServer

Point = Literal["greeting", "login", "list", "search", "append", "appended"]
Token = Any
"""Octets of an atom or string, or a list of tokens."""

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_TOKEN = re.compile(rb'\s*(?:"((?:[^"\\]|\\.)*)"|([()])|((?:[^\s()"\[]|\[[^\]]*\])+))')


@dataclass(frozen=True)
class ImapScript:
    """``passwords`` by login name, anybody's login is good when None. ``tokens`` are good bearer tokens (None: any).

    ``drop_at`` closes the connection at that point ("append": the text has come and is not kept; "appended": it is
    kept and not answered), ``hang_at`` never answers, ``replies`` answers with that status (``NO [OVERQUOTA] full``).
    """

    passwords: Mapping[str, str] | None = None
    tokens: frozenset[str] | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "XOAUTH2", "OAUTHBEARER")
    special_use: bool = True
    xlist: bool = False
    uidplus: bool = True
    drop_at: Point | None = None
    hang_at: Point | None = None
    replies: Mapping[Point, str] = field(default_factory=dict)


class ScriptedImap(ScriptedServer):
    """``with ScriptedImap(mailboxes, certificate) as imap``; port ``imap.port`` of 127.0.0.1 is its own until the end.

    Without ``certificate`` it has no TLS. ``starttls``: TLS after STARTTLS, not from the first octet.
    """

    def __init__(
        self,
        mailboxes: Mailboxes,
        certificate: ssl.SSLContext | None = None,
        *,
        starttls: bool = False,
        script: ImapScript | None = None,
    ) -> None:
        super().__init__()
        self.mailboxes = mailboxes
        self.certificate = certificate
        self.tls = None if starttls else certificate
        self.starttls = starttls
        self.script = script or ImapScript()
        self.logins: list[tuple[str, str, str]] = []
        """Mechanism, who logged in and whose mailbox it is, of good logins."""
        self.commands: list[str] = []
        """Verbs, in order; those of UID with it."""

    @property
    def host(self) -> str:
        """As ``primary-imap`` wants it; a name, since certificates name one."""
        return f"localhost:{self.port}"

    def play(self, script: ImapScript) -> None:
        """From the next command of each connection on."""
        self.script = script

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Session(self, reader, writer).talk()


class _Over(ConnectionError):
    """The script, or the client, ends the connection here."""


class _Session:
    def __init__(self, imap: ScriptedImap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._imap = imap
        self._reader = reader
        self._writer = writer
        self._tls = imap.certificate is not None and not imap.starttls
        self._user = ""
        self._folder = ""

    async def talk(self) -> None:
        await self._point("greeting")
        await self._say(f"* OK [CAPABILITY {self._capability()}] primary.test")
        while True:
            tag, tokens = await self._command()
            verb = tokens[0].decode().upper()
            if verb == "UID":
                tokens = tokens[1:]
                verb = f"UID {tokens[0].decode().upper()}"
            self._imap.commands.append(verb)
            if verb == "LOGOUT":
                await self._say("* BYE")
                await self._say(f"{tag} OK bye")
                raise _Over
            await self._say(f"{tag} {await self._answer(tag, verb, tokens[1:])}")
            if verb == "STARTTLS" and self._imap.certificate is not None and not self._tls:
                await self._writer.start_tls(self._imap.certificate)
                self._tls = True

    async def _answer(self, tag: str, verb: str, words: list[Token]) -> str:
        match verb:
            case "CAPABILITY":
                await self._say(f"* CAPABILITY {self._capability()}")
            case "NOOP" | "CHECK" | "SUBSCRIBE":
                pass
            case "STARTTLS":
                return "OK begin" if self._imap.certificate is not None and not self._tls else "BAD no TLS here"
            case "LOGIN":
                return await self._login("LOGIN", words[0].decode(), words[0].decode(), words[1].decode())
            case "AUTHENTICATE":
                return await self._authenticate(words)
            case _ if not self._user:
                return "BAD log in first"
            case "NAMESPACE":
                await self._say('* NAMESPACE (("" "/")) NIL NIL')
            case "LIST" | "XLIST":
                return await self._list(verb, words)
            case "CREATE":
                return "OK done" if self._imap.mailboxes.create(self._user, words[0].decode()) else "NO it exists"
            case "SELECT" | "EXAMINE":
                return await self._select(words[0].decode(), "READ-ONLY" if verb == "EXAMINE" else "READ-WRITE")
            case "CLOSE" | "UNSELECT":
                self._folder = ""
            case "APPEND":
                return await self._append(words)
            case _ if not self._folder:
                return "BAD select a mailbox first"
            case "SEARCH" | "UID SEARCH":
                return await self._search(verb, words)
            case "FETCH" | "UID FETCH":
                await self._fetch(verb, words)
            case "UID STORE":
                self._store(words)
            case "UID EXPUNGE":
                self._imap.mailboxes.expunge(self._user, self._folder, _numbers(words[0].decode()))
            case _:
                return "BAD what?"
        return "OK done"

    def _capability(self) -> str:
        script = self._imap.script
        words = ["IMAP4rev1", "LITERAL+", "NAMESPACE", "UNSELECT"]
        if self._imap.certificate is not None and not self._tls:
            words.append("STARTTLS")
        words += [f"AUTH={name}" for name in script.mechanisms]
        words += ["UIDPLUS"] * script.uidplus
        return " ".join(words + ["SPECIAL-USE"] * script.special_use + ["XLIST"] * script.xlist)

    # Logins.

    async def _authenticate(self, words: list[Token]) -> str:
        name = words[0].decode().upper()
        if name not in self._imap.script.mechanisms:
            return "NO unknown mechanism"
        if len(words) > 1:
            given = words[1]
        else:
            await self._say("+ ")
            given = await self._line()
        text = base64.b64decode(given).decode()
        if name == "PLAIN":
            whose, who, password = text.split("\0")
            return await self._login(name, who, whose or who, password)
        if name == "XOAUTH2":
            fields = dict(one.split("=", 1) for one in text.split("\1") if one)
            user, token = fields["user"], fields["auth"]
        else:
            header, *rest = text.split("\1")
            user = header.split(",")[1].removeprefix("a=")
            token = next(one.removeprefix("auth=") for one in rest if one.startswith("auth="))
        tokens = self._imap.script.tokens
        if tokens is not None and token.removeprefix("Bearer ") not in tokens:
            await self._say("+ eyJzdGF0dXMiOiI0MDEifQ==")
            await self._line()
            return "NO [AUTHENTICATIONFAILED] token"
        return await self._logged_in(name, user, user)

    async def _login(self, mechanism: str, who: str, whose: str, password: str) -> str:
        passwords = self._imap.script.passwords
        if passwords is not None and passwords.get(who) != password:
            await self._point("login")
            return "NO [AUTHENTICATIONFAILED] wrong name or password"
        return await self._logged_in(mechanism, who, whose)

    async def _logged_in(self, mechanism: str, who: str, whose: str) -> str:
        said = await self._point("login")
        if said:
            return said
        self._user = whose.partition("*")[0]
        self._imap.logins.append((mechanism, who, self._user))
        return f"OK [CAPABILITY {self._capability()}] logged in"

    # Mailboxes.

    async def _list(self, verb: str, words: list[Token]) -> str:
        script = self._imap.script
        said = await self._point("list")
        if said:
            return said
        if verb == "XLIST" and not script.xlist:
            return "BAD what?"
        asked = next((one for one in words if isinstance(one, list)), [])
        if asked and not script.special_use:
            return "BAD no such option"
        # Patterns are names here, with * for everything.
        pattern = words[1].decode() if isinstance(words[1], bytes) else "*"
        if words[0] == b"" and pattern == "":
            await self._say('* LIST (\\Noselect) "/" ""')
            return "OK done"
        for name, use in self._imap.mailboxes.folders(self._user).items():
            if not re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace("%", "[^/]*"), name):
                continue
            shown = use if script.special_use or verb == "XLIST" else ""
            await self._say(f'* {verb} ({_attributes(shown)}) "/" "{name}"')
        return "OK done"

    async def _select(self, name: str, access: str) -> str:
        folders = self._imap.mailboxes.folders(self._user)
        found = next((one for one in folders if one == name or one.upper() == name.upper() == "INBOX"), None)
        self._folder = found or ""
        if found is None:
            return "NO [NONEXISTENT] no such mailbox"
        await self._say(f"* {len(self._kept())} EXISTS")
        await self._say("* 0 RECENT")
        await self._say("* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)")
        await self._say("* OK [UIDVALIDITY 1]")
        await self._say("* OK [UIDNEXT 1000000]")
        return f"OK [{access}] selected"

    def _kept(self) -> list[Kept]:
        return self._imap.mailboxes.messages(self._user, self._folder)

    async def _append(self, words: list[Token]) -> str:
        name, octets, rest = words[0].decode(), words[-1], words[1:-1]
        flags = next((tuple(one.decode() for one in word) for word in rest if isinstance(word, list)), ())
        date = next((word.decode() for word in rest if isinstance(word, bytes)), "")
        said = await self._point("append")
        if said:
            return said
        try:
            self._imap.mailboxes.deliver(self._user, octets, name, flags, date)
        except KeyError:
            return "NO [TRYCREATE] no such mailbox"
        return await self._point("appended") or "OK [APPENDUID 1 1] kept"

    async def _search(self, verb: str, words: list[Token]) -> str:
        said = await self._point("search")
        if said:
            return said
        if words and words[0].upper() == b"CHARSET":
            words = words[2:]
        kept = self._kept()
        keys = iter(words)
        tests = []
        for key in keys:
            tests.append(_key(key, keys))
        found = [(number, one) for number, one in enumerate(kept, 1) if all(test(one) for test in tests)]
        numbers = [str(one.uid if verb.startswith("UID") else number) for number, one in found]
        await self._say(" ".join(["* SEARCH", *numbers]))
        return "OK done"

    async def _fetch(self, verb: str, words: list[Token]) -> None:
        wanted = _numbers(words[0].decode())
        items = words[1] if isinstance(words[1], list) else words[1:]
        for number, one in enumerate(self._kept(), 1):
            if not wanted(one.uid if verb.startswith("UID") else number):
                continue
            out = [f"* {number} FETCH (UID {one.uid}".encode()]
            for item in items:
                # The tokenizer leaves brackets with what is in them in one piece.
                name = item.decode()
                if name.upper() == "FLAGS":
                    out.append(b" FLAGS (%s)" % " ".join(one.flags).encode())
                elif name.upper() == "INTERNALDATE":
                    out.append(b' INTERNALDATE "%s"' % (one.date or "01-Jan-2026 00:00:00 +0000").encode())
                elif name.upper() == "RFC822.SIZE":
                    out.append(b" RFC822.SIZE %d" % len(one.octets))
                elif name.upper().startswith("BODY"):
                    section = name.partition("[")[2].rpartition("]")[0]
                    text = _section(one, section)
                    out.append(b" BODY[%s] {%d}\r\n%s" % (section.encode(), len(text), text))
            self._writer.write(b"".join(out) + b")\r\n")
        await self._writer.drain()

    def _store(self, words: list[Token]) -> None:
        """Only what adds flags silently."""
        wanted, flags = _numbers(words[0].decode()), tuple(one.decode() for one in words[2])
        for one in self._kept():
            if wanted(one.uid):
                self._imap.mailboxes.mark(self._user, self._folder, one.uid, tuple(dict.fromkeys((*one.flags, *flags))))

    # The line.

    async def _point(self, point: Point) -> str:
        """What the script wants answered here, empty for the usual."""
        script = self._imap.script
        if script.hang_at == point:
            await asyncio.sleep(3600)
        if script.drop_at == point:
            raise _Over
        return script.replies.get(point, "")

    async def _command(self) -> tuple[str, list[Token]]:
        """One command with its literals: the tag and its tokens."""
        pieces: list[bytes] = []
        literals: list[bytes] = []
        while True:
            line = await self._line()
            found = _LITERAL.search(line)
            if found is None:
                pieces.append(line)
                break
            if not found[2]:
                await self._say("+ go on")
            # A NUL stands for the literal in the text; neither may hold one.
            pieces.append(line[: found.start()] + b"\0")
            literals.append(await self._reader.readexactly(int(found[1])))
        tag, _, rest = b"".join(pieces).partition(b" ")
        return tag.decode(), _tokens(rest, iter(literals))

    async def _line(self) -> bytes:
        line = await self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise _Over
        return line[:-2]

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()


def _attributes(use: str) -> str:
    return f"\\HasNoChildren {use}" if use else "\\HasNoChildren"


def _tokens(text: bytes, literals: Iterator[bytes]) -> list[Token]:
    stack: list[list[Token]] = [[]]
    at = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        if found[2] == b"(":
            stack.append([])
        elif found[2] == b")":
            inner = stack.pop()
            stack[-1].append(inner)
        elif found[1] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found[1]))
        elif found[3] == b"\0":
            stack[-1].append(next(literals))
        else:
            stack[-1].append(found[3])
    return stack[0]


def _key(key: Token, rest: Iterator[Token]) -> Callable[[Kept], bool]:
    """One search key (RFC 9051 §6.4.4), of the few that are known here."""
    if isinstance(key, list):
        inner = iter(key)
        tests = [_key(one, inner) for one in inner]
        return lambda kept: all(test(kept) for test in tests)
    match key.upper():
        case b"HEADER":
            name, value = next(rest).decode(), next(rest).decode().lower()
            return lambda kept: value in kept.field(name).lower()
        case b"OR":
            one, other = _key(next(rest), rest), _key(next(rest), rest)
            return lambda kept: one(kept) or other(kept)
        case b"NOT":
            no = _key(next(rest), rest)
            return lambda kept: not no(kept)
        case b"UNDELETED" | b"ALL":
            return lambda kept: True
        case _:
            wanted = _numbers(key.decode())
            return lambda kept: wanted(kept.uid)


def _numbers(text: str) -> Callable[[int], bool]:
    ranges = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        ends = [1 << 32 if end == "*" else int(end) for end in (low, high or low)]
        ranges.append((min(ends), max(ends)))
    return lambda number: any(low <= number <= high for low, high in ranges)


def _section(kept: Kept, section: str) -> bytes:
    header, _, _ = kept.octets.partition(b"\r\n\r\n")
    if section.upper().startswith("HEADER.FIELDS"):
        names = section.partition("(")[2].rstrip(")").split()
        lines = [f"{name}: {kept.field(name)}\r\n".encode() for name in names if kept.field(name)]
        return b"".join(lines) + b"\r\n"
    return header + b"\r\n\r\n" if section.upper() == "HEADER" else kept.octets

