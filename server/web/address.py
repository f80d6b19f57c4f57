"""The visitor's address: the socket's, or what a proxy that the operator named says of it.

No forwarded header is believed until a proxy is named; then the right-most entry that is not one of
those proxies counts (clients can prepend what they like).
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


@lru_cache(maxsize=16)
def _networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(name, strict=False) for name in names)


def is_trusted(address: str, proxies: tuple[str, ...]) -> bool:
    """Whether an address is that of a proxy the operator named."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _networks(proxies))


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
            try:
                return str(ip_address(entry))
            except ValueError:
                return ""
    return peer


def forwards_unnamed(peer: str, headers: Mapping[str, str], proxies: tuple[str, ...]) -> bool:
    """Whether a private peer nobody named sends a forwarded header: a proxy to be named."""
    if proxies or "x-forwarded-for" not in headers:
        return False
    try:
        return ip_address(peer).is_private
    except ValueError:
        return False
