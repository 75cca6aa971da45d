"""The log of logins, from the command line."""

from __future__ import annotations

import pyotp

from tests.app.command.office import Office
from xtramail.directory.auth_log import AuthLog
from xtramail.model.peer import Peer

ANN = "ann@local.example"


def test_logins_and_changes_are_listed_for_a_domain_or_an_address(office: Office) -> None:
    assert office.json("auth", "log") == []
    made = office.json("totp", "start", ANN)
    office.json("totp", "confirm", ANN, pyotp.TOTP(made["secret"]).now())

    def guess(name: str) -> None:
        office.world(
            lambda world: AuthLog(world.engine, world.clock).refused(
                name=name, peer=Peer(address="192.0.2.7"), service="imap", reason="wrong password"
            )
        )

    guess("bob@local.example")
    guess("eve@gone.example")
    newest, *_ = office.json("auth", "log", "--domain", "local.example")
    assert (newest["address"], newest["outcome"], newest["from"]) == ("bob@local.example", "refused", "192.0.2.7")
    (row,) = office.json("auth", "log", ANN)
    assert (row["outcome"], row["why"]) == ("changed", "two-step sign-in switched on") and row["who"]
    assert len(office.json("auth", "log", "--failed", "--since", "1h")) == 2
    assert office.run("auth", "log", ANN, "--domain", "local.example").exit_code == 2
