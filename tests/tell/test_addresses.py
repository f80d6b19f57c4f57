"""Which addresses and URLs a webhook may have."""

import pytest

from server.errors import BadRequest
from server.tell.addresses import check_url, read_exempt, refused

PUBLIC = """
1.1.1.1 8.8.8.8 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1 192.0.1.1 198.17.0.1
223.255.255.1 2606:4700:4700::1111 2a00:1450:4001::1 2001:4860:4860::8888 ::ffff:8.8.8.8
64:ff9b::808:808
"""
PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
172.31.255.255 192.168.1.1 100.64.0.1 100.100.100.200 100.127.255.255 192.0.0.192 192.0.2.1
192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 fe80::1 fe80::1%eth0
fec0::1 fc00::1 fd00:ec2::254 ff02::1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::
2002:c0a8:101::1 2002:808:808::1 2001:0:808:808::1 2001:db8::1 2001:10::1 3fff::1 100::1
4000::1 localhost 127.1
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses(address: str) -> None:
    """Also those that lie beside a special range."""
    assert refused(address) == ""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_every_other_address_is_refused(address: str) -> None:
    """In whatever form; what is no address is refused too."""
    assert refused(address)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://crm.example.com/", "must begin with https://"),
        ("ftp://crm.example.com/", "looks like https://"),
        ("//crm.example.com/", "looks like https://"),
        ("crm.example.com", "looks like https://"),
        ("", "looks like https://"),
        ("https:///hook", "looks like https://"),
        ("https://[::1", "no URL"),
        ("https://crm.example.com:99999/", "no URL"),
        ("https://crm.example.com:0/", "looks like https://"),
        ("https://crm.example.com:22/", "443 and 8443 only, not to 22"),
        ("https://user:secret@crm.example.com/", "no user name or password"),
        ("https://crm.example.com@evil.example/", "no user name or password"),
        ("https://crm.example.com/#there", "no fragment"),
        ("https://crm.example.com/a b", "no spaces"),
        ("https://crm.example.com/\r\nHost: x", "no spaces"),
        ("https://crm.example.com\\@evil.example/", "looks like https://"),
        ("https://münchen.example/", "xn--"),
        ("https://crm.example.com/" + "a" * 2_000, "at most 2000"),
        ("https://localhost/", "a name inside a network"),
        ("https://LOCALHOST./", "a name inside a network"),
        ("https://db/", "a name inside a network"),
        ("https://metadata.google.internal/", "a name inside a network"),
        ("https://printer.local/", "a name inside a network"),
        ("https://127.0.0.1/", "a loopback address"),
        ("https://127.1/", "a loopback address"),
        ("https://0x7f.1/", "a loopback address"),
        ("https://2130706433/", "a loopback address"),
        ("https://017700000001/", "a loopback address"),
        ("https://[::1]/", "not a public address"),
        ("https://[::ffff:169.254.169.254]/", "a link-local address"),
        ("https://169.254.169.254/latest/meta-data", "a link-local address"),
        ("https://192.168.0.1:8443/", "a private address"),
        ("https://t.acme.example/", "this server itself"),
        ("https://T.acme.example./", "this server itself"),
        ("https://127.0.0.1./", "a loopback address"),
    ],
)
def test_what_cannot_be_a_webhook_is_named(url: str, sentence: str) -> None:
    """When it is written down already, with a sentence."""
    with pytest.raises(BadRequest, match=r".") as refusal:
        check_url(url, frozenset(), ("t.acme.example",))
    assert sentence in refusal.value.detail


def test_what_may_be_a_webhook() -> None:
    """Names are looked at when they are connected to."""
    for url in (
        "https://crm.example.com/a?b=c",
        "https://hooks.example.com:8443",
        "https://8.8.8.8/",
    ):
        check_url(url, frozenset())


def test_the_operator_vouches_for_receivers() -> None:
    """Host and port both count, and http is allowed there."""
    exempt = read_exempt(("127.0.0.1:9000", "CRM.internal:80", "[::1]:8080"))
    for url in ("http://127.0.0.1:9000/x", "http://crm.internal/", "http://[::1]:8080/"):
        check_url(url, exempt)
    for url in ("http://127.0.0.1:9001/", "http://127.0.0.2:9000/", "https://crm.internal/"):
        with pytest.raises(BadRequest):
            check_url(url, exempt)


NONSENSE = """
localhost localhost: :80 a:b user@a:80 a:80/x a:99999 a:0 a:80?x a:80#f *:80 *.internal:80 http://a:80
::1:80 [::1] [zz]:80 [abc]:80 [127.0.0.1]:80 [1:2]:80 a.:80 .a:80 a:８０ a:+80 a:8_0
"""


@pytest.mark.parametrize("nonsense", [*NONSENSE.split(), " a:80", "a:80\n", "a b:80", ""])
def test_what_is_no_receiver_is_refused_by_name(nonsense: str) -> None:
    """What would exempt nothing, or something else than it says."""
    with pytest.raises(BadRequest, match="HANDRAISE_TELL_EXEMPT names") as refusal:
        read_exempt(("127.0.0.1:9000", nonsense))
    assert f"`{nonsense}`" in refusal.value.detail
