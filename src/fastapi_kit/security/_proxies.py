"""Who the client is, behind proxies: read from what they say, as far as they are ours.

Theory of operation. Each proxy on the way adds the address that it was called from at the right end of a header. What
stands there was written by whoever called us; if that is a proxy of ours, it is true. What stands to its left was
written by the caller it names, and is true if that one is ours, too. So the header is read from the right, and the
first address that is not ours is the client's: what stands left of it came from the client and may be invented.

Nothing is trusted by default, and one header alone is read: a proxy that adds to one passes all others on as the client
sent them.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import Literal, NamedTuple

Address = IPv4Address | IPv6Address
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

_MOST_HOPS = 32
_LONGEST_HEADER = 4_096
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rf'(?:{_NAME}|"(?:[^"\\]|\\.)*")'
_ELEMENT = re.compile(rf"\s*{_NAME}={_VALUE}(?:\s*;\s*{_NAME}={_VALUE})*\s*")
_PAIR = re.compile(rf"({_NAME})=({_VALUE})")
_WITH_PORT = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.]+)\](?::(?P<port6>\d{1,5}))?|(?P<v4>[0-9.]+):(?P<port4>\d{1,5})")


class Hop(NamedTuple):
    """What a proxy says of its caller."""

    address: Address | None
    """`None` where it says none, or something that is no address."""
    port: int = 0
    scheme: str | None = None
    """`http` or `https`; `None` where it does not say."""


class Networks:
    """The networks in which everybody is believed.

    Args:
        networks: In CIDR notation, such as `10.0.0.0/8`, or single addresses.

    Raises:
        ValueError: One is not a network. `*` is refused: it would let every client name its own address.
    """

    def __init__(self, networks: Collection[str]) -> None:
        self._networks = [_network(text) for text in networks]
        self._trusts = lru_cache(maxsize=4_096)(self._contains)

    def __contains__(self, address: Address) -> bool:
        return self._trusts(address)

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def client_of(peer: Address, hops: Iterator[Hop], trusted: Networks) -> Hop | None:
    """The client, as far as the proxies can be believed; `None` where that is the peer itself.

    Args:
        peer: Who has called us.
        hops: What the proxies say, from the nearest on: the right end of the header.
        trusted: Who is believed.
    """
    client: Hop | None = None
    caller = peer
    for hop in islice(hops, _MOST_HOPS):
        if caller not in trusted or hop.address is None:
            break
        client, caller = hop, hop.address
    return client


def hops_of(name: ForwardedHeader, values: Sequence[str], schemes: Sequence[str] = ()) -> Iterator[Hop]:
    """What the values of a header say, from the right; only as much is read as is asked for.

    Args:
        name: Which header it is.
        values: Its values, in order.
        schemes: The values of `X-Forwarded-Proto`, which belongs to `X-Forwarded-For`.
    """
    text = ",".join(values)[-_LONGEST_HEADER:]
    return _forwarded(text) if name == "forwarded" else _x_forwarded_for(text, ",".join(schemes)[-_LONGEST_HEADER:])


def parse_address(text: str) -> Address | None:
    """The address that a text is, without a zone; an IPv4 one that came over IPv6 (`::ffff:10.0.0.1`) as what it is."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _x_forwarded_for(text: str, schemes: str) -> Iterator[Hop]:
    """Each address with its scheme, if all proxies add one; else with the one that the nearest proxy has written."""
    nodes = text.split(",")
    said = [scheme.strip().lower() for scheme in schemes.split(",")]
    said = said if len(said) == len(nodes) else said[-1:] * len(nodes)
    for node, scheme in zip(reversed(nodes), reversed(said), strict=True):
        yield _hop(node.strip(), scheme)


def _forwarded(text: str) -> Iterator[Hop]:
    """The elements of RFC 7239, from the right: one that is not whole ends them.

    From the left, a quotation mark that a client leaves open would swallow what the proxies have added after it.
    """
    end = len(text)
    while end >= 0:
        start, element = _last_element(text, end)
        yield _hop(element.get("for", ""), element.get("proto", "").lower())
        if not element:
            return
        end = start - 1


def _last_element(text: str, end: int) -> tuple[int, dict[str, str]]:
    """The shortest element that ends here, as a comma may stand in a quoted value, and where it starts."""
    start = end
    while start > 0:
        start = text.rfind(",", 0, start) + 1
        if _ELEMENT.fullmatch(text, start, end):
            pairs = _PAIR.findall(text, start, end)
            return start, {name.lower(): _unquoted(value) for name, value in pairs}
        start -= 1
    return 0, {}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _hop(node: str, scheme: str) -> Hop:
    found = _WITH_PORT.fullmatch(node)
    host, port = (found["v6"] or found["v4"], found["port6"] or found["port4"]) if found else (node, None)
    return Hop(parse_address(host), int(port or 0), _SCHEMES.get(scheme))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no network of proxies ({error}): write one such as 10.0.0.0/8, or an address."
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f"{text!r} is everybody: a client could then give itself any address. Name your own networks.")
    return network
