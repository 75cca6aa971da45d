"""Every kind of object that a document has, each behind those that its rows speak of."""

from __future__ import annotations

from typing import Any

from xtramail.directory.state.kind import Kind
from xtramail.directory.state.kinds.admins import Admins
from xtramail.directory.state.kinds.aliases import Aliases
from xtramail.directory.state.kinds.blocks import Blocks
from xtramail.directory.state.kinds.carriers import Carriers
from xtramail.directory.state.kinds.devices import Devices
from xtramail.directory.state.kinds.dkim import DkimKeys
from xtramail.directory.state.kinds.domain_aliases import DomainAliases
from xtramail.directory.state.kinds.domains import Domains
from xtramail.directory.state.kinds.mirrors import Mirrors
from xtramail.directory.state.kinds.places import Places
from xtramail.directory.state.kinds.senders import Senders
from xtramail.directory.state.kinds.tenants import Tenants
from xtramail.directory.state.kinds.tokens import Tokens
from xtramail.directory.state.kinds.two_steps import TwoSteps
from xtramail.directory.state.kinds.users import Users

KINDS: tuple[Kind[Any], ...] = (
    Tenants(),
    Domains(),
    DomainAliases(),
    Carriers(),
    DkimKeys(),
    Users(),
    Devices(),
    TwoSteps(),
    Mirrors(),
    Aliases(),
    Senders(),
    Places(),
    Blocks(),
    Admins(),
    Tokens(),
)
BY_NAME: dict[str, Kind[Any]] = {kind.name: kind for kind in KINDS}
