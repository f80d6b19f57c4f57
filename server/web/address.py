"""The visitor's address: the socket's, or what a proxy that the operator named says of it.

No forwarded header is believed until a proxy is named; then the right-most entry that is not one of
those proxies counts (clients can prepend what they like).
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

#: `203.0.113.9:51234`, `[2001:db8::1]:443` and `[2001:db8::1]`: some proxies add the port.
WITH_PORT = re.compile(r"([^:\[\]]+):\d{1,5}|\[([^\[\]]+)\](?::\d{1,5})?")


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as sockets and proxies write it; one of IPv4 in the clothes of IPv6 is one of
    IPv4. None for what is no address."""
    found = WITH_PORT.fullmatch(text)
    try:
        address = ip_address((found[1] or found[2]) if found else text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=16)
def _networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(name, strict=False) for name in names)


def is_trusted(address: str, proxies: tuple[str, ...]) -> bool:
    """Whether an address is that of a proxy the operator named."""
    found = read_address(address)
    return found is not None and any(found in network for network in _networks(proxies))


def counted_as(peer: str, proxies: tuple[str, ...], *, exempt_loopback: bool = False) -> str:
    """The name under which connections of a peer are counted: an IPv6 network of 64 bits is one
    household. Empty for those that are not counted: proxies, and sockets without an address."""
    address = read_address(peer)
    if address is None or (exempt_loopback and address.is_loopback):
        return ""
    if proxies and is_trusted(peer, proxies):
        return ""
    if isinstance(address, IPv6Address):
        return f"{int(address) >> 64:x}::/64"
    return str(address)


def address_in(
    headers: Iterable[tuple[bytes, bytes]], peer: str, proxies: tuple[str, ...], header: str
) -> str:
    """`client_address` of a request as it came: some proxies add a line of their own below the
    client's, so all lines of that header are one list."""
    if not proxies:
        return peer
    name = header.lower()
    lines = [value.decode("latin-1") for key, value in headers if key == name.encode("latin-1")]
    return client_address(peer, {name: ", ".join(lines)}, proxies, header)


def client_address(
    peer: str, headers: Mapping[str, str], proxies: tuple[str, ...], header: str
) -> str:
    """The address to look up, or "" if none is known. Headers are lower-cased."""
    if not proxies or not is_trusted(peer, proxies):
        return peer
    forwarded = [part.strip() for part in headers.get(header.lower(), "").split(",")]
    for entry in reversed(forwarded):
        if entry and not is_trusted(entry, proxies):
            return str(read_address(entry) or "")
    return peer


def forwards_unnamed(peer: str, headers: Mapping[str, str], proxies: tuple[str, ...]) -> bool:
    """Whether a private peer nobody named sends a forwarded header: a proxy to be named."""
    if proxies or "x-forwarded-for" not in headers:
        return False
    try:
        return ip_address(peer).is_private
    except ValueError:
        return False
