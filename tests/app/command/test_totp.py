"""Two-step sign-in, from the command line."""

from __future__ import annotations

import pyotp
import pytest

from tests.app.command.office import Office
from tests.app.command.test_terminal import at_a_terminal

ANN = "ann@local.example"


def test_it_is_switched_on_by_the_code_of_a_phone_and_off_by_a_recovery_code(office: Office) -> None:
    made = office.json("totp", "start", ANN)
    assert made["secret"] in made["uri"]
    assert "clock" in office.refused("totp", "confirm", ANN, "000000000")
    on = office.json("totp", "confirm", ANN, pyotp.TOTP(made["secret"]).now())
    assert len(on["recovery-codes"]) == 10
    assert office.json("user", "show", ANN)["two-step"] == "on"
    first, second, *_ = on["recovery-codes"]
    assert office.json("totp", "check", ANN, first) == {"user": ANN, "code": "good"}
    assert "code: wrong" in office.refused("totp", "disable", ANN, first)
    assert office.json("totp", "disable", ANN, second)["two-step"] == "off"
    assert office.json("user", "show", ANN)["two-step"] == ""


def test_a_person_sees_a_picture_the_secret_and_the_next_step(office: Office) -> None:
    shown = office.done("totp", "start", ANN)
    assert "\u2588" in shown and "Secret: " in shown and f"xtramail totp confirm {ANN}\n" in shown


def test_an_administrator_needs_no_code_and_says_so(office: Office) -> None:
    made = office.json("totp", "start", ANN)
    office.json("totp", "confirm", ANN, pyotp.TOTP(made["secret"]).now())
    assert "code: give it as one line" in office.refused("totp", "disable", ANN)
    assert office.run("totp", "disable", ANN, "123456", "--admin").exit_code == 2
    assert len(office.json("totp", "codes", ANN, "--admin")["recovery-codes"]) == 10
    assert office.json("totp", "disable", ANN, "--admin")["two-step"] == "off"
    assert "is not on" in office.refused("totp", "codes", ANN, "--admin")


@pytest.mark.parametrize("code", [(), ("-",)], ids=["none", "dash"])
def test_a_code_may_come_by_standard_input_where_nobody_else_sees_it(office: Office, code: tuple[str, ...]) -> None:
    made = office.json("totp", "start", ANN)
    assert "code: give it as one line" in office.refused("totp", "confirm", ANN, *code, input="\n")
    assert "code: give it as one line" in office.refused("totp", "confirm", ANN, *code, input="1" * 100)
    on = office.json("totp", "confirm", ANN, *code, input=f"{pyotp.TOTP(made['secret']).now()}\n")
    first, second, third, *_ = on["recovery-codes"]
    assert office.json("totp", "check", ANN, *code, input=f" {first}\r\n")["code"] == "good"
    made_new = office.json("totp", "codes", ANN, *code, input=second)["recovery-codes"]
    assert len(made_new) == 10
    assert "code: wrong" in office.refused("totp", "disable", ANN, *code, input=third)
    assert office.json("totp", "disable", ANN, *code, input=made_new[0])["two-step"] == "off"


def test_a_person_at_a_terminal_is_asked_for_the_code(office: Office) -> None:
    made = office.json("totp", "start", ANN)
    typed = f"{pyotp.TOTP(made['secret']).now()}\n".encode()
    code, shown = at_a_terminal(office, "totp", "confirm", ANN, answer=typed)
    assert code == 0 and "Code: " in shown and f"two-step sign-in of {ANN} is on." in shown
    recovery = shown.split()[-1]
    code, shown = at_a_terminal(office, "totp", "disable", ANN, answer=recovery.encode() + b"\n")
    assert code == 0 and f"two-step sign-in of {ANN} is off." in shown
