"""DKIM keys of domains, sealed by a key of the server."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Literal, cast, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from msgspec.structs import replace

from xtramail.directory import sealing
from xtramail.directory.dkim_keys import about, check_selector
from xtramail.directory.state.given_passwords import missing_key
from xtramail.directory.state.kind import Kind, Row, Says, Work, World
from xtramail.directory.state.moments import moment_text, read_moment
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput
from xtramail.store import aliases, dkim, domains, keys
from xtramail.store.dkim import DkimRow
from xtramail.store.engine import Txn
from xtramail.wire.dkim.signature import Algorithm

Standing = Literal["pending", "active", "retired"]
_STATES = get_args(Standing)


class DkimState(Row, frozen=True):
    domain: str
    selector: str
    algorithm: str = ""
    state: str = "pending"
    sealed: str = ""
    """The private half, base64."""
    public: str = ""
    key_id: str = ""
    created: str = ""
    activated: str = ""
    retired: str = ""


class DkimKeys(Kind[DkimState]):
    name = "dkim"
    doc = "DKIM keys of domains, sealed"
    row = DkimState
    keys = ("domain", "selector")
    secrets = frozenset({"sealed"})
    moments = frozenset({"created", "activated", "retired"})
    is_secret = True

    def read(self, world: World) -> Iterator[DkimState]:
        served = {domain.name for domain in world.domains}
        others = (name for name, row in aliases.alias_domains(world.desk.engine) if row.domain in served)
        for name in (*sorted(served), *others):
            for row in world.desk.engine.read(keys.domain_scope(name), dkim.dkim_rows):
                yield DkimState(
                    domain=name,
                    selector=row.selector,
                    algorithm=row.algorithm,
                    state=row.state,
                    sealed=base64.b64encode(row.private).decode("ascii"),
                    public=base64.b64encode(row.public).decode("ascii"),
                    key_id=row.key_id,
                    created=moment_text(row.created),
                    activated=moment_text(row.activated),
                    retired=moment_text(row.retired),
                )

    def key(self, row: DkimState) -> str:
        return f"{check_selector(row.selector)}._domainkey.{domain_key(row.domain)}"

    def domain(self, row: DkimState) -> str:
        return domain_key(row.domain)

    def regular(self, row: DkimState, says: Says) -> DkimState:
        for name, value, choices in (
            ("algorithm", row.algorithm, get_args(Algorithm)),
            ("state", row.state, _STATES),
        ):
            if value not in choices:
                says.wrong(name, f"{value!r}: choose one of {', '.join(choices)}")
        for name in ("created", "activated", "retired"):
            says.made(name, read_moment, getattr(row, name), 0.0)
        says.made("public", _octets, row.public, b"")
        return replace(row, domain=domain_key(row.domain), selector=check_selector(row.selector))

    def check(self, row: DkimState, before: DkimState | None, world: World, says: Says) -> None:
        if not world.serves(row.domain) and row.domain not in world.after("domain-aliases"):
            says.wrong("domain", f"{row.domain} is not served here; add it first, or to the file")
        if row.key_id not in world.keyring.keys:
            says.wrong("key_id", missing_key(row.key_id))
            return
        try:
            private = sealing.unseal(
                world.keyring, row.key_id, _octets(row.sealed), about=about(row.domain, row.selector)
            )
        except BadInput:
            says.wrong("sealed", "it does not open with its key for this domain and selector; export it anew")
            return
        if _public(private, row.algorithm) != _octets(row.public):
            says.wrong("public", "it is not the public half of what is sealed; export it anew")

    def write(self, before: DkimState | None, after: DkimState | None, work: Work) -> None:
        either = after or before or DkimState(domain="", selector="")

        def put(txn: Txn) -> None:
            if after is None:
                dkim.delete_dkim(txn, either.selector)
                return
            row = DkimRow(
                selector=after.selector,
                algorithm=cast(Algorithm, after.algorithm),
                private=_octets(after.sealed),
                key_id=after.key_id,
                public=_octets(after.public),
                state=cast(Standing, after.state),
                created=read_moment(after.created) or work.now,
                activated=read_moment(after.activated),
                retired=read_moment(after.retired),
            )
            dkim.put_dkim(txn, row)

        work.part(keys.domain_scope(either.domain), put)
        work.part(keys.DOMAIN_CHANGES, domains.settings_changed)


def _public(private: bytes, algorithm: str) -> bytes:
    """As it is published; empty where the key is none of this algorithm."""
    try:
        key = load_der_private_key(private, password=None)
    except ValueError:
        return b""
    if isinstance(key, RSAPrivateKey) and algorithm == "rsa-sha256":
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, Ed25519PrivateKey) and algorithm == "ed25519-sha256":
        return key.public_key().public_bytes_raw()
    return b""


def _octets(text: str) -> bytes:
    """BadInput for what is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("not base64, as export --with-secrets writes it") from None
