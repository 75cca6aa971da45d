"""Keys by which domains sign what they send (DKIM): made, published, put to work, retired and dropped.

A key signs nothing before its record was seen in DNS (or somebody says that it is there): mail that is signed by a key
which nobody finds is worse off than mail without. A key that another one replaced stays as it is until it is dropped,
because mail that it signed is still under way. Owns no DNS (what was found there is passed in) and does not sign
(``signing_keys``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec.structs import replace

from xtramail.directory import sealing
from xtramail.directory.desk import Change, Desk, Told
from xtramail.directory.keyring import Keyring
from xtramail.model.address import domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain, NotPermitted
from xtramail.store import aliases, dkim, domains, keys
from xtramail.store.dkim import DkimRow
from xtramail.store.engine import Snapshot, Txn
from xtramail.wire.dkim.key_record import record_fault, record_name, record_text, zone_line
from xtramail.wire.dkim.signature import Algorithm

ALGORITHMS: dict[str, tuple[Algorithm, ...]] = {
    "rsa": ("rsa-sha256",),
    "ed25519": ("ed25519-sha256",),
    "both": ("rsa-sha256", "ed25519-sha256"),
}
"""What ``--algorithm`` stands for. Both: some verifiers know no Ed25519 yet, and for those who do it is the better."""
RSA_BITS = 2_048
"""RFC 8301 §3.2: at least 1024, and verifiers must know 2048. More would not fit into many a DNS answer."""
RETIRED_SECONDS = 16 * 86_400.0
"""Mail waits in queues for days, ours for 14: so long the record of a key that is retired has to stay."""
_SELECTOR = re.compile(r"(?=.{1,63}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")
_ENDING: dict[Algorithm, str] = {"rsa-sha256": "-rsa", "ed25519-sha256": "-ed"}


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One key, for people: nothing private is in it."""

    domain: str
    selector: str
    algorithm: Algorithm
    state: str
    public: bytes
    created: float
    activated: float
    retired: float

    @property
    def record_name(self) -> str:
        return record_name(self.selector, self.domain)

    @property
    def record_text(self) -> str:
        return record_text(self.algorithm, self.public)

    @property
    def zone_line(self) -> str:
        return zone_line(self.selector, self.domain, self.record_text)

    def fault(self, texts: Sequence[str]) -> str:
        """Why TXT records ``texts``, as DNS has them at :attr:`record_name`, do not show it; empty where they do."""
        return record_fault(texts, self.algorithm, self.public)


@dataclass(frozen=True, slots=True)
class _Signer:
    """Whose keys they are: a domain (``home`` is the same), or ``name`` is another name of ``home``."""

    name: str
    home: str

    def require(self, snap: Snapshot) -> None:
        """NoSuchDomain in the transaction (scope of ``name``) before which it went."""
        alias = aliases.get_alias_of(snap)
        if domains.get_domain(snap) is None and (alias is None or alias.domain != self.home):
            raise NoSuchDomain(f"domain {self.name} is not served here; see: xtramail domain list")


@dataclass(frozen=True, slots=True)
class Activation:
    """``waiting``: keys that are not seen in DNS, each with what was seen instead."""

    active: tuple[DkimKey, ...]
    waiting: tuple[tuple[DkimKey, str], ...]


def of_domain(desk: Desk, name: str) -> list[DkimKey]:
    """Every key of a domain, or of another name of one, by selector."""
    signer = _signer(desk, name)
    return [_key(signer.name, one) for one in _rows(desk, signer.name)]


def check_selector(selector: str) -> str:
    """As it is kept; BadInput with the rule."""
    lowered = selector.lower()
    if not _SELECTOR.match(lowered):
        raise BadInput(f"selector {selector!r}: letters, digits and hyphens, at most 63, such as mail2026")
    return lowered


def check_algorithm(algorithm: str) -> tuple[Algorithm, ...]:
    """BadInput with the words that there are."""
    if algorithm not in ALGORITHMS:
        raise BadInput(f"algorithm {algorithm!r}: choose one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[algorithm]


async def create(
    desk: Desk, name: str, keyring: Keyring, *, selector: str = "", algorithm: str = "both"
) -> list[DkimKey]:
    """New keys that wait for :func:`activate`; with two of them ``-rsa`` and ``-ed`` are put behind ``selector``.

    AlreadyExists where the domain has one of that algorithm, or of that selector.
    """
    signer, wanted = _signer(desk, name), check_algorithm(algorithm)
    for one in _rows(desk, signer.name):
        if one.state != "retired" and one.algorithm in wanted:
            raise AlreadyExists(
                f"domain {signer.name} has a key {one.selector} ({one.algorithm}) already; "
                f"replace it with: xtramail dkim rotate {signer.name}"
            )
    return await _make(desk, "dkim create", signer, keyring, selector, wanted)


async def rotate(desk: Desk, name: str, keyring: Keyring, *, selector: str = "") -> list[DkimKey]:
    """New keys for those that sign now, which go on signing until :func:`activate`."""
    signer = _signer(desk, name)
    rows = _rows(desk, signer.name)
    active = tuple(dict.fromkeys(one.algorithm for one in rows if one.state == "active"))
    pending = [one.selector for one in rows if one.state == "pending"]
    if pending:
        raise NotPermitted(
            f"domain {signer.name}: {', '.join(pending)} wait to be published; see: xtramail dkim show {signer.name}, "
            f"then: xtramail dkim activate {signer.name}"
        )
    if not active:
        raise NotPermitted(f"domain {signer.name} signs with no key; make one: xtramail dkim create {signer.name}")
    return await _make(desk, "dkim rotate", signer, keyring, selector, active)


async def activate(desk: Desk, name: str, published: Mapping[str, Sequence[str]] | None) -> Activation:
    """Let keys that wait sign from now on, in place of those of the same algorithm.

    ``published``: the TXT records found for each selector; None: somebody says that they are there. NotPermitted when
    nothing waits.
    """
    signer = _signer(desk, name)
    rows = _rows(desk, signer.name)
    pending = [one for one in rows if one.state == "pending"]
    if not pending:
        raise NotPermitted(f"domain {signer.name}: no key waits; see: xtramail dkim show {signer.name}")
    ready, waiting = [], []
    for one in pending:
        key = _key(signer.name, one)
        fault = "" if published is None else key.fault(published.get(one.selector, ()))
        if fault:
            waiting.append((key, fault))
        else:
            ready.append(one)
    now = desk.now()
    after = [replace(one, state="active", activated=now) for one in ready]
    algorithms = {one.algorithm for one in ready}
    after += [
        replace(one, state="retired", retired=now)
        for one in rows
        if one.state == "active" and one.algorithm in algorithms
    ]
    if after:
        await _write(desk, "dkim activate", signer, after)
    active = tuple(_key(signer.name, one) for one in after if one.state == "active")
    return Activation(active=active, waiting=tuple(waiting))


async def drop(desk: Desk, name: str, *, early: bool = False) -> list[DkimKey]:
    """Forget the keys that others replaced; ``early``: also those that mail under way may still need.

    NotPermitted where there is none, or none that is old enough.
    """
    signer, now = _signer(desk, name), desk.now()
    retired = [one for one in _rows(desk, signer.name) if one.state == "retired"]
    gone = [one for one in retired if early or now - one.retired >= RETIRED_SECONDS]
    if not retired:
        raise NotPermitted(f"domain {signer.name} has no retired key; see: xtramail dkim show {signer.name}")
    if not gone:
        until = time.strftime("%Y-%m-%d", time.gmtime(min(one.retired for one in retired) + RETIRED_SECONDS))
        raise NotPermitted(
            f"domain {signer.name}: mail signed by {', '.join(one.selector for one in retired)} may wait somewhere "
            f"until {until}; drop it then, or now with --force"
        )
    return await _delete(desk, "dkim rotate", signer, gone)


async def remove(desk: Desk, name: str, selector: str) -> DkimKey:
    """Forget one key, whatever its state. BadInput where there is none of that selector."""
    signer = _signer(desk, name)
    found = [one for one in _rows(desk, signer.name) if one.selector == selector.lower()]
    if not found:
        raise BadInput(f"domain {signer.name} has no key {selector}; see: xtramail dkim show {signer.name}")
    return (await _delete(desk, "dkim remove", signer, found))[0]


def told(row: DkimRow) -> Told:
    """What an audit row says of a key."""
    return {"algorithm": row.algorithm, "state": row.state, "private": "set"}


def about(domain: str, selector: str) -> bytes:
    """What a private half is sealed for."""
    return f"dkim {selector}._domainkey.{domain}".encode("ascii")


async def _make(
    desk: Desk, what: str, signer: _Signer, keyring: Keyring, selector: str, algorithms: tuple[Algorithm, ...]
) -> list[DkimKey]:
    desk.require_change(what)
    domain, now = signer.name, desk.now()
    rows = _rows(desk, domain)
    taken = {one.selector for one in rows}
    names = _names(selector, algorithms, taken, now)
    made = [_new(keyring, domain, names[algorithm], algorithm, now) for algorithm in algorithms]

    def free(txn: Txn) -> None:
        for one in made:
            if dkim.get_dkim(txn, one.selector) is not None:
                raise AlreadyExists(f"selector {one.selector} of {domain} is taken; choose another")

    await _write(desk, what, signer, made, first=free)
    return [_key(domain, one) for one in made]


def _names(selector: str, algorithms: Sequence[Algorithm], taken: set[str], now: float) -> dict[Algorithm, str]:
    if selector:
        base = check_selector(selector)
        names = {one: base if len(algorithms) == 1 else check_selector(base + _ENDING[one]) for one in algorithms}
        for name in names.values():
            if name in taken:
                raise AlreadyExists(f"selector {name} is taken; choose another")
        return names
    day, number = time.strftime("xt%Y%m%d", time.gmtime(now)), 0
    while True:
        base = f"{day}-{number}" if number else day
        names = {one: base + _ENDING[one] for one in algorithms}
        if not taken & set(names.values()):
            return names
        number += 1


def _new(keyring: Keyring, domain: str, selector: str, algorithm: Algorithm, now: float) -> DkimRow:
    if algorithm == "rsa-sha256":
        rsa = generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
        private = rsa.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        edwards = Ed25519PrivateKey.generate()
        private = edwards.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = edwards.public_key().public_bytes_raw()
    return DkimRow(
        selector=selector,
        algorithm=algorithm,
        private=sealing.seal(keyring, private, about=about(domain, selector)),
        key_id=keyring.current,
        public=public,
        state="pending",
        created=now,
    )


async def _write(
    desk: Desk, what: str, signer: _Signer, rows: Sequence[DkimRow], first: Callable[[Txn], None] | None = None
) -> None:
    """``rows`` as they are from now on, each an audit row of its own."""
    changes = [Change(what, record_name(one.selector, signer.name), signer.home, after=told(one)) for one in rows]

    def write(txn: Txn) -> None:
        signer.require(txn)
        if first is not None:
            first(txn)
        for change, one in zip(changes, rows, strict=True):
            before = dkim.get_dkim(txn, one.selector)
            change.before = told(before) if before is not None else None
            dkim.put_dkim(txn, one)

    await desk.change_all(
        changes, [(keys.domain_scope(signer.name), write), (keys.DOMAIN_CHANGES, domains.settings_changed)]
    )


async def _delete(desk: Desk, what: str, signer: _Signer, rows: Sequence[DkimRow]) -> list[DkimKey]:
    changes = [Change(what, record_name(one.selector, signer.name), signer.home, before=told(one)) for one in rows]

    def delete(txn: Txn) -> None:
        for one in rows:
            dkim.delete_dkim(txn, one.selector)

    await desk.change_all(
        changes, [(keys.domain_scope(signer.name), delete), (keys.DOMAIN_CHANGES, domains.settings_changed)]
    )
    return [_key(signer.name, one) for one in rows]


def _signer(desk: Desk, name: str) -> _Signer:
    """NoSuchDomain, NotPermitted: as of the domain of which it is another name."""
    key = domain_key(name)
    alias = desk.engine.read(keys.domain_scope(key), aliases.get_alias_of)
    if alias is not None and alias.domain in {row.name for row in desk.domains()}:
        return _Signer(name=key, home=desk.domain(alias.domain).name)
    home = desk.domain(name).name
    return _Signer(name=home, home=home)


def _rows(desk: Desk, domain: str) -> list[DkimRow]:
    return desk.engine.read(keys.domain_scope(domain), dkim.dkim_rows)


def _key(domain: str, row: DkimRow) -> DkimKey:
    return DkimKey(
        domain=domain,
        selector=row.selector,
        algorithm=row.algorithm,
        state=row.state,
        public=row.public,
        created=row.created,
        activated=row.activated,
        retired=row.retired,
    )
