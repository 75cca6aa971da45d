"""An address in an address is as near as the one within."""

from __future__ import annotations

import pytest

from xtramail.model.world_address import is_of_the_world


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_of_the_world(address: str) -> None:
    assert is_of_the_world(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:10.0.0.7",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:7",
        "2002:7f00:1::",
    ],
)
def test_of_a_network_of_ones_own(address: str) -> None:
    assert not is_of_the_world(address)


@pytest.mark.parametrize("text", ["", "mx.example", "127.1", "2130706433"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        is_of_the_world(text)
