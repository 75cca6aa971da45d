"""Every function that is asked at a desk, by everybody who might: a matrix made from the functions themselves.

One that is new and has no row in ``calls`` fails the first test; the others say what each role gets.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Coroutine, Iterator
from importlib import import_module
from typing import Any

import pytest

import xtramail.delivery
import xtramail.directory
import xtramail.mailbox
from tests.desks import operator
from tests.directory.calls import CALLS, ELSEWHERE, PARTS, Call
from tests.directory.offices import (
    ACME,
    ACORN,
    ANN,
    BEA,
    BOB,
    DORA,
    ODA,
    TIM,
    ZOE,
    Offices,
    everything,
)  # fmt: skip
from xtramail.directory.audit_log import head
from xtramail.directory.desk import Desk
from xtramail.model.actor import Role
from xtramail.model.errors import NotPermitted, Refused
from xtramail.model.pending import drive

Who = Callable[[Offices, Call], Desk]
INSIDE: dict[str, tuple[Role, Who]] = {
    "operator": (Role.OPERATOR, lambda offices, call: offices.admin(ODA)),
    "tenant admin": (Role.TENANT, lambda offices, call: offices.admin(TIM)),
    "domain admin": (Role.DOMAIN, lambda offices, call: offices.admin(DORA)),
    "user himself": (Role.USER, lambda offices, call: offices.user(call.who)),
}
"""Those who know what a call is about."""
OUTSIDE: dict[str, Who] = {
    "other tenant's admin": lambda offices, call: offices.admin(ZOE),
    "other domain's admin": lambda offices, call: offices.admin(BEA),
    "other user": lambda offices, call: offices.user(BOB if call.who != BOB else ANN),
}
EMPTY = ("sent_figures.sent_lately",)
"""Lists in which there is nothing yet."""
ABOUT = [call for call in CALLS if not call.lists]
LISTS = [call for call in CALLS if call.lists]


def asked_at_a_desk() -> Iterator[Callable[..., Any]]:
    """Every public function whose first parameter is a Desk, of the layers that know it."""
    packages = (xtramail.directory, xtramail.delivery, xtramail.mailbox)
    for found in (one for each in packages for one in pkgutil.walk_packages(each.__path__, f"{each.__name__}.")):
        module = import_module(found.name)
        for name, function in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            parameters = list(inspect.signature(function).parameters.values())
            if parameters and parameters[0].annotation == "Desk":
                yield function


def ask(call: Call, desk: Desk, offices: Offices) -> Any:
    """What comes of it; NoSuch..., NotPermitted and the like are raised."""
    said = call.run(desk, offices)
    return drive(said) if isinstance(said, Coroutine) else said


def refusal(call: Call, desk: Desk, offices: Offices) -> Refused:
    """It must be refused, and leave every octet of the store as it was."""
    before = everything(offices.engine)
    with pytest.raises(Refused) as caught:
        ask(call, desk, offices)
    assert everything(offices.engine) == before, "something was written"
    return caught.value


def offices_for(call: Call) -> Offices:
    offices = Offices()
    if call.before is not None:
        drive(call.before(operator(offices.engine, offices.clock)))
    return offices


def names(calls: list[Call]) -> list[str]:
    return [call.name for call in calls]


def test_every_function_that_takes_a_desk_is_in_the_matrix() -> None:
    known = {call.function for call in CALLS} | set(PARTS) | set(ELSEWHERE)
    missing = [f"{one.__module__}.{one.__name__}" for one in asked_at_a_desk() if one not in known]
    assert not missing, "give each a row in tests/directory/calls.py"
    assert len(set(names(CALLS))) == len(CALLS)


@pytest.mark.parametrize("call", ABOUT, ids=names(ABOUT))
@pytest.mark.parametrize("who", INSIDE)
def test_who_may_gets_it_and_leaves_its_rows_and_who_may_not_writes_nothing(call: Call, who: str) -> None:
    offices = offices_for(call)
    role, find = INSIDE[who]
    desk = find(offices, call)
    if not role.reaches(call.least):
        refusal(call, desk, offices)
        return
    number, before = head(offices.engine)[0], everything(offices.engine)
    ask(call, desk, offices)
    assert head(offices.engine)[0] == number + call.rows
    assert call.changes or everything(offices.engine) == before


@pytest.mark.parametrize("call", ABOUT, ids=names(ABOUT))
@pytest.mark.parametrize("who", OUTSIDE)
def test_what_belongs_to_others_is_not_there(call: Call, who: str) -> None:
    """Type and text of the refusal are those where it is not there at all."""
    offices = offices_for(call)
    told = refusal(call, OUTSIDE[who](offices, call), offices)
    if who == "other user" or (call.of_tenant and who == "other domain's admin"):
        # They know of their domain, or their tenant, and are told that it is not theirs to ask.
        return
    elsewhere = Offices(acorn=False, acme=not call.of_tenant and who != "other tenant's admin")
    if call.of_tenant:
        elsewhere = Offices(acorn=False, acme=False)
    elsewhere.ids = offices.ids
    bare = refusal(call, OUTSIDE[who](elsewhere, call), elsewhere)
    assert (type(told), told.text) == (type(bare), bare.text)


@pytest.mark.parametrize("call", CALLS, ids=names(CALLS))
def test_a_token_that_may_only_look_changes_nothing(call: Call) -> None:
    offices = offices_for(call)
    if call.changes:
        assert isinstance(refusal(call, offices.reader(), offices), NotPermitted)
    elif call.name != "state.worlds.plan_world":
        ask(call, offices.reader(), offices)


@pytest.mark.parametrize("call", LISTS, ids=names(LISTS))
def test_a_list_has_what_its_actor_may_see_and_nothing_else(call: Call) -> None:
    offices = offices_for(call)
    before = everything(offices.engine)
    shown = repr(ask(call, offices.admin(ODA), offices))
    assert ACORN in shown or call.least is Role.TENANT or call.name in EMPTY
    for role, find in INSIDE.values():
        desk = find(offices, call)
        if role.reaches(call.least):
            ask(call, desk, offices)
        else:
            refused_or_empty(call, desk, offices)
    for hidden, name in ((ACME, ZOE), (ACORN, ZOE), (ACORN, BEA)):
        if Role.DOMAIN.reaches(call.least) or name == ZOE:
            assert hidden not in repr(ask(call, offices.admin(name), offices)), name
    assert everything(offices.engine) == before


def refused_or_empty(call: Call, desk: Desk, offices: Offices) -> None:
    try:
        found = ask(call, desk, offices)
    except NotPermitted:
        return
    assert not found
