"""The passwords of a plan: hashed, or made. The last step before it is done, since it takes the most time."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from xtramail.directory import passwords
from xtramail.directory.state.given_passwords import hashes
from xtramail.directory.state.kind import Progress
from xtramail.directory.state.kinds.users import UserState
from xtramail.directory.state.plan import Plan, Step

Generated = list[tuple[str, str]]
"""Address and password, in the order of the file."""


def to_generate(plan: Plan) -> int:
    """How many users get a password that is made here."""
    return sum(isinstance(step.after, UserState) and step.after.generate for step in plan.steps)


def with_passwords(plan: Plan, cost: int, progress: Progress) -> tuple[Plan, Generated]:
    """The plan with a hash for each password (``cost``: bcrypt's), and those that were made: nobody else knows them."""
    keyring = plan.world.keyring
    given = [step.after.password for step in plan.steps if isinstance(step.after, UserState) and step.after.password]
    made = iter(hashes(given, keyring, cost, progress))
    generated: Generated = []

    def finished(step: Step) -> Step:
        row = step.after
        if not isinstance(row, UserState) or not (row.password or row.generate):
            return step
        if row.password:
            stored = next(made)
        else:
            secret = passwords.generate()
            stored = passwords.hash_generated(secret, keyring)
            generated.append((row.address, secret.reveal()))
        return replace(step, after=structs.replace(row, password="", generate=False, password_hash=stored))

    return replace(plan, steps=tuple(finished(step) for step in plan.steps)), generated
