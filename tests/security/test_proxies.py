"""Who the client is behind proxies: laws over chains of them, and the cases that servers get wrong."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_kit.security._proxies import Address, ForwardedHeader, Hop, Networks, client_of, hops_of, parse_address

OURS = Networks(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])

proxies = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")
strangers = st.ip_addresses().filter(lambda address: address not in OURS and parse_address(str(address)) == address)
ports = st.integers(0, 65_535)
junk = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60) | st.lists(
    st.sampled_from(
        ['for="', "for=10.0.0.1", "10.0.0.1", "1.1.1.1", ",", '"', ";", "\\", "=", "unknown", "proto=https", " "]
    ),
    max_size=12,
).map("".join)


def written(name: ForwardedHeader, address: Address, port: int | None, scheme: str) -> str:
    """What a proxy adds for a caller."""
    if name == "x-forwarded-for":
        if port is None:
            return str(address)
        return f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}"
    node = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    node += "" if port is None else f":{port}"
    return f'for="{node}";proto={scheme};host="a, for=9.9.9.9"' if not node.isalnum() else f"for={node}"


def found(name: ForwardedHeader, peer: Address, values: Sequence[str], schemes: Sequence[str] = ()) -> Hop | None:
    """The client, as our proxies tell it."""
    return client_of(peer, hops_of(name, values, schemes), OURS)


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@settings(deadline=None)  # a loaded machine is no failure
@given(
    forged=st.lists(junk, max_size=3),
    client=strangers,
    port=ports | st.none(),
    chain=st.lists(proxies, min_size=1, max_size=5),
    one_line=st.booleans(),
)
def test_a_client_is_found_whatever_it_sends(  # noqa: PLR0913 - each part of a chain
    name: ForwardedHeader, forged: list[str], client: Address, port: int | None, chain: list[Address], *, one_line: bool
) -> None:
    """Law: behind any chain of ours the client is who called its outermost proxy, as if it had sent no header."""
    callers = [client, *chain[:-1]]
    added = [written(name, caller, port, "https") for caller in callers]
    values = [", ".join([*forged, *added])] if one_line else [*forged, *added]
    got = found(name, chain[-1], values)
    assert got is not None
    assert (got.address, got.port) == (client, port or 0)
    assert got.scheme == ("https" if name == "forwarded" else None)


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@settings(deadline=None)  # a loaded machine is no failure
@given(peer=strangers, values=st.lists(junk, max_size=3))
def test_a_stranger_tells_nothing(name: ForwardedHeader, peer: Address, values: list[str]) -> None:
    """Law: whoever is not a proxy of ours is the client, whatever it sends."""
    assert found(name, peer, values) is None


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@settings(deadline=None)  # a loaded machine is no failure
@given(peer=proxies, values=st.lists(junk, max_size=3), schemes=st.lists(junk, max_size=2))
def test_nothing_that_is_sent_breaks_it(
    name: ForwardedHeader, peer: Address, values: list[str], schemes: list[str]
) -> None:
    """Law: the result is an address or none, for every header there can be."""
    got = found(name, peer, values, schemes)
    assert got is None or isinstance(got.address, IPv4Address | IPv6Address)
    assert got is None or got.scheme in {None, "http", "https"}


@pytest.mark.parametrize(
    ("values", "schemes", "expected"),
    [
        pytest.param(["1.1.1.1"], ["https"], ("1.1.1.1", "https"), id="one proxy"),
        pytest.param(["9.9.9.9, 1.1.1.1, 10.0.0.2"], ["https"], ("1.1.1.1", "https"), id="two, one of them says"),
        pytest.param(["9.9.9.9, 1.1.1.1, 10.0.0.2"], ["http, https, http"], ("1.1.1.1", "https"), id="all say"),
        pytest.param(["1.1.1.1, 10.0.0.2"], ["http, http, https"], ("1.1.1.1", "https"), id="forged to the left"),
        pytest.param(["10.0.0.9, 10.0.0.2"], [], ("10.0.0.9", None), id="all ours: the outermost"),
        pytest.param(["1.1.1.1, unknown, 10.0.0.2"], [], ("10.0.0.2", None), id="one who does not say"),
        pytest.param(["unknown"], ["https"], None, id="nothing said"),
        pytest.param([""], [], None, id="empty"),
        pytest.param(["1.1.1.1"], ["wss"], ("1.1.1.1", "https"), id="websocket"),
        pytest.param(["1.1.1.1"], ["gopher"], ("1.1.1.1", None), id="no scheme of ours"),
        pytest.param(["::ffff:1.1.1.1"], [], ("1.1.1.1", None), id="mapped"),
        pytest.param(["fe80::1%<script>"], [], ("fe80::1", None), id="zone"),
        pytest.param(["1.1.1.1:http"], [], None, id="port that is none"),
        pytest.param(["2001:db8::1"], [], ("2001:db8::1", None), id="bare IPv6"),
        pytest.param([",".join(["10.0.0.3"] * 40)], [], ("10.0.0.3", None), id="long chain"),
    ],
)
def test_x_forwarded_for(values: list[str], schemes: list[str], expected: tuple[str, str | None] | None) -> None:
    """Addresses with their schemes, from the right."""
    got = found("x-forwarded-for", ip_address("10.0.0.1"), values, schemes)
    assert (got and (str(got.address), got.scheme)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("for=1.1.1.1", ("1.1.1.1", 0, None), id="plain"),
        pytest.param('For="[2001:db8::1]:4711";Proto=HTTPS;by=10.0.0.1', ("2001:db8::1", 4711, "https"), id="quoted"),
        pytest.param("by=10.0.0.1 ; for=1.1.1.1", ("1.1.1.1", 0, None), id="spaces"),
        pytest.param('for="1.1\\.1.1"', ("1.1.1.1", 0, None), id="escaped"),
        pytest.param('for=", for=1.1.1.1', ("1.1.1.1", 0, None), id="quotation mark left open"),
        pytest.param("for=9.9.9.9, for=_hidden", None, id="obfuscated"),
        pytest.param("for=9.9.9.9, for=", None, id="not whole"),
        pytest.param("for=9.9.9.9,", None, id="comma at the end"),
        pytest.param('for=1.1.1.1;host="a\\",for=9.9.9.9"', ("1.1.1.1", 0, None), id="comma in quotes"),
    ],
)
def test_forwarded(value: str, expected: tuple[str, int, str | None] | None) -> None:
    """RFC 7239, from the right."""
    got = found("forwarded", ip_address("10.0.0.1"), [value])
    assert (got and (str(got.address), got.port, got.scheme)) == expected


@pytest.mark.parametrize("network", ["*", "", "10.0.0.1/8", "proxy.example", "0.0.0.0/0", "::/0"])
def test_what_does_not_say_whom_to_believe_is_refused(network: str) -> None:
    """A host name, a star and everybody."""
    with pytest.raises(ValueError, match=r"network of proxies|everybody"):
        Networks(["10.0.0.0/8", network])
