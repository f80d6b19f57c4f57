"""Where webhooks may go: public addresses only, checked by a list of our own.

Python's `is_global` lets several forms of 127.0.0.1 pass, multicast, and the metadata services of
some clouds, so it is not asked. What is not listed here as refused and is IPv4, or lies in the part
of IPv6 that is given out (2000::/3), is public.
"""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from server.errors import BadRequest

PORTS = frozenset({443, 8443})
MOST_URL = 2_000  # characters
#: Host and port of receivers that the operator vouches for.
Exempt = frozenset[tuple[str, int]]

_V4 = {
    "an address of this network": ("0.0.0.0/8",),
    "a private address": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "an address behind a provider's NAT": ("100.64.0.0/10",),
    "a loopback address": ("127.0.0.0/8",),
    "a link-local address": ("169.254.0.0/16",),
    "a cloud's metadata address": ("168.63.129.16/32",),
    "a reserved address": (
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
    ),
    "a multicast address": ("224.0.0.0/4",),
}
_V6 = {
    "a tunnel's address": ("2001::/32", "2002::/16"),
    "a reserved address": ("2001::/23", "2001:db8::/32", "3fff::/20"),
}
_REFUSED_V4 = [(IPv4Network(net), what) for what, nets in _V4.items() for net in nets]
_REFUSED_V6 = [(IPv6Network(net), what) for what, nets in _V6.items() for net in nets]
_GIVEN_OUT = IPv6Network("2000::/3")
#: IPv6 addresses that lead to the IPv4 address in their last 32 bits.
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
#: An entry of the setting: a name or an address, IPv6 in brackets.
_PAIR = re.compile(
    r"([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f.]*:[0-9a-f:.]*\]):([0-9]{1,5})", re.ASCII
)
_LOCAL_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "home.arpa", "corp")


def refused(address: str) -> str:
    """What an IP address is that nothing may be sent to; empty for a public one."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "no address"
    if isinstance(found, IPv6Address):
        return _refused_v6(found)
    return _refused_v4(found)


def literal(host: str) -> str:
    """The IP address that a host is written as, also in the forms that resolvers take: 127.1,
    0x7f000001, 2130706433; empty for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return ""


def _refused_v4(found: IPv4Address) -> str:
    return next((what for net, what in _REFUSED_V4 if found in net), "")


def _refused_v6(found: IPv6Address) -> str:
    if any(found in net for net in _EMBEDDING):
        return _refused_v4(IPv4Address(int(found) & 0xFFFF_FFFF))
    if found not in _GIVEN_OUT:
        return "not a public address"
    return next((what for net, what in _REFUSED_V6 if found in net), "")


def read_exempt(pairs: tuple[str, ...]) -> Exempt:
    """Receivers as the setting lists them, `host:port` each. Raises `BadRequest`."""
    found = set()
    for pair in pairs:
        parts = _PAIR.fullmatch(pair.lower())
        host, port = (parts[1].strip("[]"), int(parts[2])) if parts else ("", 0)
        if not 1 <= port <= 65_535 or (":" in host and not literal(host)):
            raise BadRequest(
                f"HANDRAISE_TELL_EXEMPT names `{pair[:80]}`, which is not host:port, such as"
                " 127.0.0.1:9000 or [::1]:9000; there are no wildcards"
            )
        found.add((host, port))
    return frozenset(found)


def port_of(parts: SplitResult) -> int:
    """The port a URL leads to."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def check_url(url: str, exempt: Exempt, own_hosts: tuple[str, ...] = ()) -> None:
    """Whether a webhook may have this URL. Raises `BadRequest` with a sentence.

    What its name resolves to is looked at whenever it is connected to, not here.
    """
    parts = _split(url)
    host, port = parts.hostname or "", port_of(parts)
    if (host, port) in exempt:
        return
    if parts.scheme != "https":
        raise BadRequest("a webhook's URL must begin with https://")
    if port not in PORTS:
        raise BadRequest(
            f"webhooks go to the ports 443 and 8443 only, not to {port}; the operator of this"
            " server can name other receivers in HANDRAISE_TELL_EXEMPT"
        )
    what = plainly_private(host)
    if what:
        raise BadRequest(
            f"{host} is {what}: webhooks go to public addresses only; the operator of this server"
            " can name receivers beside it in HANDRAISE_TELL_EXEMPT"
        )
    if host.rstrip(".") in {own.rstrip(".") for own in own_hosts}:
        raise BadRequest(f"{host} is this server itself")


def _split(url: str) -> SplitResult:
    if len(url) > MOST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise BadRequest(
            f"a webhook's URL has at most {MOST_URL} characters, all of them ASCII and no spaces;"
            " write the host of a name with other letters as xn--…"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadRequest(f"this is no URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or port == 0 or "\\" in url:
        raise BadRequest("a webhook's URL looks like https://crm.example.com/hooks/handraise")
    if "@" in parts.netloc:
        raise BadRequest("a webhook's URL must hold no user name or password")
    if parts.fragment:
        raise BadRequest("a webhook's URL must hold no fragment (#…)")
    return parts


def plainly_private(host: str) -> str:
    """What a host is that can be told to be private without asking anybody; else empty."""
    name = host.rstrip(".").lower()
    if ":" in name:
        return refused(name)
    address = literal(name)
    if address:
        return refused(address)
    if "." not in name or any(name == one or name.endswith(f".{one}") for one in _LOCAL_NAMES):
        return "a name inside a network"
    return ""
