"""Tokens of programs, by their keyed hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec.structs import replace

from xtramail.directory.state.given_passwords import missing_key
from xtramail.directory.state.kind import Kind, Row, Says, Work, World, is_hex
from xtramail.directory.state.kinds.admins import check_reach
from xtramail.directory.state.moments import moment_text, read_moment
from xtramail.model.actor import Role
from xtramail.model.address import domain_key
from xtramail.store import keys, roles
from xtramail.store.engine import Txn
from xtramail.store.roles import TokenRow

_MARK = 64
"""Hexadecimal digits."""


class TokenState(Row, frozen=True):
    id: str
    label: str = ""
    owner: str = ""
    """An admin, or for the role user a user; empty: the operator at the command line."""
    maker: str = ""
    role: str = Role.DOMAIN.value
    tenant: str = ""
    domains: tuple[str, ...] = ()
    write: bool = False
    mark: str = ""
    key_id: str = ""
    created: str = ""
    expires: str = ""


class Tokens(Kind[TokenState]):
    name = "tokens"
    doc = "what programs come by"
    row = TokenState
    keys = ("id",)
    secrets = frozenset({"mark"})
    is_secret = True
    of_domains = False
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[TokenState]:
        for mark, row in world.desk.engine.read(keys.ROLES, roles.tokens):
            yield TokenState(
                id=row.id,
                label=row.label,
                owner=row.owner,
                maker=row.maker,
                role=row.role,
                tenant=row.tenant,
                domains=row.domains,
                write=row.write,
                mark=mark.hex(),
                key_id=row.key_id,
                created=moment_text(row.created),
                expires=moment_text(row.expires),
            )

    def key(self, row: TokenState) -> str:
        return row.id

    def domain(self, row: TokenState) -> str:
        return row.owner.rpartition("@")[2] if row.role == Role.USER else ""

    def tenant(self, row: TokenState) -> str:
        return row.tenant

    def regular(self, row: TokenState, says: Says) -> TokenState:
        if not is_hex(row.id, 8):
            says.wrong("id", "8 hexadecimal digits, as export --with-secrets writes them")
        if not is_hex(row.mark, _MARK):
            says.wrong("mark", f"{_MARK} hexadecimal digits, as export --with-secrets writes them")
        if row.role not in list(Role):
            says.wrong("role", f"{row.role!r}: choose one of {', '.join(Role)}")
        for name in ("created", "expires"):
            says.made(name, read_moment, getattr(row, name), 0.0)
        names = {says.made("domains", domain_key, one, one) for one in row.domains}
        return replace(row, domains=tuple(sorted(names)))

    def check(self, row: TokenState, before: TokenState | None, world: World, says: Says) -> None:
        if row.key_id not in world.keyring.keys:
            says.wrong("key_id", missing_key(row.key_id))
        marks = world.once("token marks", lambda: Counter(one.mark for one in world.after(self.name).values()))
        if marks[row.mark] > 1:
            says.wrong("mark", "another token has the same one; take one of them out")
        if row.role == Role.USER:
            if row.owner not in world.after("users"):
                says.wrong("owner", f"there is no user {row.owner!r}; add him first, or to the file")
            return
        if row.owner and row.owner not in world.after("admins"):
            says.wrong("owner", f"there is no admin {row.owner!r}; add him first, or to the file")
        check_reach(row.role, row.tenant, row.domains, world, says)

    def write(self, before: TokenState | None, after: TokenState | None, work: Work) -> None:
        if before is not None and (after is None or after.mark != before.mark):
            mark = bytes.fromhex(before.mark)
            work.part(keys.ROLES, lambda txn: roles.delete_token(txn, mark))
        if after is None:
            return
        account_id = work.account_id(after.owner) if after.role == Role.USER else 0

        def put(txn: Txn) -> None:
            row = TokenRow(
                id=after.id,
                label=after.label,
                owner=after.owner,
                maker=after.maker,
                role=after.role,
                created=read_moment(after.created) or work.now,
                expires=read_moment(after.expires),
                key_id=after.key_id,
                write=after.write,
                tenant=after.tenant,
                domains=after.domains,
                account_id=account_id,
            )
            roles.put_token(txn, bytes.fromhex(after.mark), row)

        work.part(keys.ROLES, put)
