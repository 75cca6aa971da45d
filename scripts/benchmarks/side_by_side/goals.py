"""What the figures should be, and why one is not: the judgement of a row beside the servers it stands beside.

A row without a goal of its own should not be behind. A row that is behind, or short of its goal, has its reason in
REASONS, or the run fails, as it does where there is nothing to hold a row against: no other server, no size that it
was measured at before, no goal of its own. What a row is beside others, where its name does not say it, is in NOTES.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .at_scale.growth import MOST, growth, largest
from .rows import OURS, Results, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """``times`` less than the better of the others; ``at_most`` of the row's own unit; 0: nothing is said."""

    times: float = 1.0
    at_most: float = 0.0

    @property
    def text(self) -> str:
        told = [f"{self.times:g} times less" if self.times > 1 else "not behind"] if self.times else []
        return ", ".join([*told, *([f"at most {short(self.at_most)}"] if self.at_most else [])])


NOT_BEHIND = Goal()
GOALS: Mapping[str, Goal] = {
    "SMTP, 1 connection": Goal(times=10),
    "SMTP, 10 connections": Goal(times=10),
    "SMTP, 50 connections": Goal(times=10),
    "STARTTLS, 1 connection": Goal(times=10),
    "STARTTLS, 10 connections": Goal(times=10),
    "STARTTLS, 50 connections": Goal(times=10),
    "login, SELECT, LOGOUT": Goal(times=2),
    "the same, TLS resumed": Goal(times=2),
    "the same beside bcrypt and no cache": Goal(times=200),
    "header sync, first": Goal(times=5),
    "header sync": Goal(times=5),
    "Thunderbird's list, first": Goal(times=5),
    "Thunderbird's list": Goal(times=5),
    "all bodies": Goal(times=2),
    "one body": Goal(times=3),
    "QRESYNC, 100 changed": Goal(times=5),
    "APPEND 12 KB": Goal(times=2),
    "MOVE": Goal(times=5),
    "SEARCH SUBJECT": Goal(times=3),
    "SEARCH FROM": Goal(times=3),
    "SEARCH TEXT": Goal(times=40),
    "connect, sync and IDLE": Goal(times=1, at_most=1_500),
    "memory of an idle session": Goal(times=1, at_most=40),
    "delivery until EXISTS": Goal(times=1, at_most=20_000),
    "expiry": Goal(times=20),
    "expiry, written": Goal(times=20),
    "expiry, longest lock": Goal(times=0, at_most=20_000),
}

_CALLS = "seven tenths are the interpreter's: a thousand Python calls a message, spread over all layers"
_READY = "a durable commit, and all is worked out at once that a sync or a search asks for; others do it at first sight"
_TEXTS = (
    "the text for SEARCH lies beside the packed body as it is, 19 KiB of it: zstd on rows over 16,000 octets would save"
    " 10 KiB, for 30 us more in a delivery and 58 ms more in a SEARCH TEXT of 10,000 messages"
)
_SMALL = (
    "of a message of 3.6 KB the text for SEARCH takes 3.4 KiB and the body 2.6, in pages of 4 KiB where they do not"
    " share one, what a header sync asks for 1.5; the rest is room in the pages of the tree"
)
_COUNTED = (
    "half is what any command costs; the first time a row of counters for each day is read (60 us for thirty), which is"
    " why expiry has nothing to count anew"
)
_SESSION = (
    "12 % is the cryptography of the handshake, 6 % the kernel and OpenSSL around it; the rest are 1,450 calls of"
    " Python from accepting to closing: the password 8 %, SELECT 6, two lines of the log 4"
)
_BODIES = (
    "a third is unpacking zstd, a third the interpreter's (forty messages a MB), the kernel takes 19 %, copies 9,"
    " encryption 6, the tree 4, checksums 1"
)
_NO_TLS = (
    "35 % is unpacking zstd, as much the interpreter's (forty messages a MB), the kernel takes 19, copies 9; unpacking"
    " and the kernel alone are what Dovecot takes in all, whose mail lies on the disk unpacked"
)
_LISTED_FREE = (
    "a commit of 2,000 rows, 325 messages, writes sixteen pages: five branches and two leaves of the tree, one that"
    " says which tree is the newest, and eight of LMDB's list of free pages, which is copied where a run of them is"
    " sought and grows with the day (four for a day of 20,000); fewer or more rows in a commit write no less"
)
_AWAKE = (
    "without any session it is 5 to 9 ms: a timer wakes the reactor four times a second to see what commands have"
    " changed, and who watches its turns looks four times after each"
)
_IMPORTED = (
    "eight tenths are Python's imports, 1,100 modules of which 475 are ours: of 0.47 s 0.14 make 349 dataclasses, 0.07"
    " read bytecode, 0.07 are the garbage collector's, 0.02 compile patterns; there are no big ones to leave for later"
    " (DNS 0.03, cryptography 0.02). Theirs are compiled, and most of their processes come with the first mail or login"
)
_LOADED = (
    "53 MiB are there when all modules are, 19 of them with Twisted alone; it grows by less for each session, whose"
    " processes others have yet to start"
)
_LISTED = (
    "four fifths are reading each message's row, checking it and filling in its line, which is done anew for each"
    " client: nothing of it is kept in memory"
)
_LOOKED_THROUGH = (
    "40 % is the memory's: all text is checked and looked through where it lies; the rest are 18,000 rows, two to three"
    " microseconds of Python each"
)
REASONS: Mapping[str, str] = {
    "login, SELECT, LOGOUT": _SESSION,
    "the same, TLS resumed": _SESSION,
    "the same beside bcrypt and no cache": _SESSION,
    "the same beside a process for each login": _SESSION,
    "connect, sync and IDLE": _SESSION,
    "one body": "160 calls of Python as any command, and 220 for the message; to unpack and encrypt 25 KB is a sixth",
    "all bodies": _BODIES,
    "all bodies, no TLS": _NO_TLS,
    "header sync": _LISTED,
    "Thunderbird's list": f"{_LISTED}; its fields are cut out of the header as it came",
    "QRESYNC, 100 changed": "two commands and a SELECT, 700 calls of Python; the changed flags are a fifth",
    "QRESYNC, 10 changed": "half is UNSELECT and the ten lines of SELECT, which any mailbox costs",
    "CONDSTORE, 10 changed": "a quarter is what a NOOP costs, too; ten rows are found and told, in Python",
    "flags of all": (
        "half a millisecond goes, whatever the number of messages, into what changed since the last command; then it is"
        " 0.4 us a message"
    ),
    "SEARCH TEXT": _LOOKED_THROUGH,
    "SMTP": _CALLS,
    "STARTTLS": _CALLS,
    "relayed, 10 connections": "ours keeps a copy, too, and says what became of it; the next row is equal work",
    "expiry, written": _LISTED_FREE,
    "start, processor time": _IMPORTED,
    "start, until the first greeting": _IMPORTED,
    "memory after the start": _LOADED,
    "1,000 in IDLE, nothing comes": _AWAKE,
    "memory of an idle session": "32 are the process's own; the rest are pages of the store that it looked at, the"
    " kernel's to keep or not, and more of them in a larger store: 4 where nothing else was stored, 9 here",
    "disk for a message": _TEXTS,
    "disk for a message of a mailbox": _SMALL,
    "STORE": "one durable commit of its own (two flushes) against an index that mdbox does not flush",
    "EXPUNGE of many": "durable, and rows are written that let each message be recovered",
    "SELECT, first": "a row a message is read, where the others keep an array in a file; once after a restart",
    "STATUS": _COUNTED,
    "flags of the newest 50": "six sevenths are what any command costs; fifty messages take 24 us of it",
    "SEARCH UNSEEN": "each message's flags are looked at one by one, in Python, and so is each number of the answer",
    "SELECT, open already": "half is what any command costs; the look is shared, its ten lines are made each time",
    "MOVE": "as STORE: one durable commit, in two mailboxes",
    "COPY": "as STORE: it waits for the disk before it answers",
    "APPEND 12 KB": _READY,
    "APPEND 2 KB": _READY,
    "STORE of many": "the same; and each message's row is written anew, where mdbox appends a flag to its index",
}
_STARTED = (
    "until SMTP and IMAP have both greeted: of the others Postfix and Dovecot are; and where ours has a large store"
    " they have their mailboxes of this page"
)
_BY_LMTP = "by SMTP; with the others that is Postfix, and LMTP"
NOTES: Mapping[str, str] = {
    "all bodies, no TLS": "ours takes no password without TLS, and was started with that refusal taken out",
    "the same beside bcrypt and no cache": (
        "Dovecot checks {BLF-CRYPT} of cost 12 at each login (auth_cache_size = 0); ours has such a hash, checked it at"
        " the first login and knows the password since"
    ),
    "the same beside a process for each login": "Dovecot's imap-login with service_count = 1; ours as above",
    "expiry, written": "what the disk was given, from sync to sync, by its own count",
    "expiry, longest lock": "a sweep ends after 20 ms with what it has; nobody else has a lock that all wait for",
    "start, processor time": _STARTED,
    "start, until the first greeting": _STARTED,
    "memory after the start": _STARTED,
    "a delivery among 1,000 in IDLE": _BY_LMTP,
    "delivery, its session told": _BY_LMTP,
    "1,000 in IDLE, nothing comes": "with the others that is Postfix and Dovecot",
}


def reason(name: str) -> str:
    """Why a row is behind or short of its goal, which holds for it at each size, too; empty where nothing is known."""
    return _found(REASONS, name)


def note(name: str) -> str:
    """What a row is, where its name does not say it; empty for most."""
    return _found(NOTES, name)


def _found(texts: Mapping[str, str], name: str) -> str:
    while name not in texts and "," in name:
        name = name.rpartition(",")[0]
    return texts.get(name, "")


class Word(Enum):
    """How a row stands."""

    REACHED = "reached"
    AHEAD = "ahead, short of the goal"
    SHORT = "short of the goal"
    """Of a goal of its own: nobody else has such a row."""
    GROWS = "**grows faster than the work**"
    BEHIND = "**behind**"
    MEASURE = "the measure of a larger size"
    """Nobody else has it; the same work at the largest size is held against it."""
    ALONE = ""


def judged(results: Results, name: str) -> Word:
    """Of our row ``name`` beside the better of the others, and beside itself at the smallest size.

    ALONE where there is nothing to hold it against.
    """
    rows = results.get(OURS, {})
    if name not in rows:
        return Word.ALONE
    cost = rows[name].cost
    theirs = [rows[name].cost for server, rows in results.items() if server != OURS and name in rows]
    goal = GOALS.get(name, NOT_BEHIND)
    if theirs and cost > min(theirs):
        return Word.BEHIND
    grew = growth(rows, name)
    if grew is not None and grew.times > MOST:
        return Word.GROWS
    if theirs and min(theirs) < goal.times * cost:
        return Word.AHEAD
    if goal.at_most and cost > goal.at_most:
        return Word.AHEAD if theirs else Word.SHORT
    if theirs or goal.at_most or grew is not None:
        return Word.REACHED
    return Word.MEASURE if largest(rows, name) else Word.ALONE


def unexplained(results: Results) -> list[str]:
    """The rows that are behind, short of their goal or grow, and have no reason."""
    fine = (Word.REACHED, Word.MEASURE, Word.ALONE)
    return [name for name in results.get(OURS, {}) if judged(results, name) not in fine and not reason(name)]


def alone(results: Results) -> list[str]:
    """The rows that nothing is held against, whatever they are like."""
    return [name for name in results.get(OURS, {}) if judged(results, name) is Word.ALONE]
