"""Country and company of an address, from real MMDB files of the usual shapes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # mmdb-writer takes its sets

from server.errors import HandraiseError
from server.ingest.geo import Geo, company_in, country_in

LITE = {
    "81.2.69.0/24": {"country": "Germany", "country_code": "DE", "as_name": "Acme GmbH",
                     "as_domain": "acme.example"},
    "24.0.0.0/12": {"country_code": "US", "as_name": "Comcast Cable Communications, LLC",
                    "as_domain": "comcast.com"},
    "2001:db8::/32": {"country_code": "FR", "as_name": "Example SA", "as_domain": "ex.example"},
    "198.51.100.0/24": {"continent": "EU"},
}  # fmt: skip
COUNTRY = {"81.2.69.0/24": {"country": {"iso_code": "GB", "geoname_id": 1}}}
ASN = {"81.2.69.0/24": {"autonomous_system_organization": "Acme Widgets Ltd"}}


def write(path: Path, networks: dict[str, Any], version: int = 6) -> Path:
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type="test")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Geo]:
    geo = Geo.open(str(write(tmp_path / "lite.mmdb", LITE)))
    yield geo
    geo.close()


@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("81.2.69.7", '{"company":"acme.example","country":"DE"}'),
        ("::ffff:81.2.69.7", '{"company":"acme.example","country":"DE"}'),
        ("24.1.2.3", '{"country":"US"}'),
        ("2001:db8::1", '{"company":"ex.example","country":"FR"}'),
        ("2001:db8::1%eth0", '{"company":"ex.example","country":"FR"}'),
        ("198.51.100.1", ""),
        ("203.0.113.1", ""),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
        ("unknown", ""),
        ("999.1.1.1", ""),
    ],
)
def test_an_address_has_a_place(lite: Geo, ip: str, place: str) -> None:
    assert lite.place(ip) == place


def test_two_files_answer_together(tmp_path: Path) -> None:
    files = [write(tmp_path / "country.mmdb", COUNTRY), write(tmp_path / "asn.mmdb", ASN, 4)]
    geo = Geo.open(":".join(map(str, files)))
    assert geo.place("81.2.69.7") == '{"company":"Acme Widgets Ltd","country":"GB"}'
    assert geo.place("2001:db8::1") == ""
    geo.close()
    assert geo.place("81.2.69.7") == ""


def test_without_a_file_every_place_is_unknown() -> None:
    assert Geo.open(None).place("81.2.69.7") == Geo.open("").place("81.2.69.7") == ""


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    for path in (broken, tmp_path / "missing.mmdb"):
        with pytest.raises(HandraiseError, match=path.name):
            Geo.open(str(path))


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "maxminddb", None)
    with pytest.raises(HandraiseError, match=r"pip install 'handraise\[geo\]'"):
        Geo.open("lite.mmdb")


def test_nothing_keeps_an_address(lite: Geo) -> None:
    lite.place("81.2.69.7")
    assert "81.2.69.7" not in repr(vars(lite))


@pytest.mark.parametrize(
    ("record", "country"),
    [
        ({"country": {"iso_code": "DE"}}, "DE"), ({"country": "de"}, "DE"),
        ({"country_code": "DE", "country": "Germany"}, "DE"), ({"country": "Germany"}, ""),
        ({"country": {"names": {}}}, ""), ({"country": 49}, ""), ({}, ""),
        ({"country": {"code": "fr"}}, "FR"), ({"country_code": ""}, ""),
    ],
)  # fmt: skip
def test_countries_of_the_usual_shapes(record: dict[str, Any], country: str) -> None:
    assert country_in(record) == country


@pytest.mark.parametrize(
    ("record", "company"),
    [
        ({"as_domain": "Acme.example", "as_name": "Acme"}, "acme.example"),
        ({"organization": "Acme Widgets"}, "Acme Widgets"),
        ({"organisation": "Acme Widgets"}, "Acme Widgets"),
        ({"autonomous_system_organization": "Acme Widgets"}, "Acme Widgets"),
        ({"asn": {"domain": "acme.example", "name": "Acme", "type": "business"}}, "acme.example"),
        ({"asn": {"domain": "acme.example", "name": "Acme", "type": "isp"}}, ""),
        ({"asn": {"domain": "acme.example", "name": "Acme", "type": "hosting"}}, ""),
        ({"company": {"domain": "acme.example", "name": "Acme"}}, "acme.example"),
        ({"as_domain": "amazon.com", "as_name": "Amazon.com, Inc."}, ""),
        ({"as_domain": "google.com", "as_name": "Google LLC"}, ""),
        ({"as_domain": "hetzner.com", "as_name": "Hetzner Online GmbH"}, ""),
        ({"as_domain": "telekom.de", "as_name": "Deutsche Telekom AG"}, ""),
        ({"as_domain": "vodafone.com", "as_name": "Vodafone GmbH"}, ""),
        ({"as_domain": "cogentco.com", "as_name": "Cogent Communications"}, ""),
        ({"as_domain": "x.example", "as_name": "Northern Broadband Ltd"}, ""),
        ({"as_domain": "x.example", "as_name": "X Hosting"}, ""),
        ({"as_domain": "orange.fr", "as_name": "Orange S.A."}, ""),
        ({"as_domain": "siemens.com", "as_name": "Siemens AG"}, "siemens.com"),
        ({"as_domain": "bmw.de", "as_name": "BMW AG"}, "bmw.de"),
        ({"as_domain": "mit.edu", "as_name": "Massachusetts Institute of Technology"}, "mit.edu"),
        ({"as_domain": 7}, ""), ({"asn": 64500}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_only_an_owner_that_sells_no_access_names_a_company(
    record: dict[str, Any], company: str
) -> None:
    assert company_in(record) == company


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: st.dictionaries(st.sampled_from(["domain", "name", "iso_code", "type"]), inner),
    max_leaves=5,
)
KEYS = st.sampled_from(["country", "country_code", "asn", "company", "as_domain", "as_name", "as"])


@given(st.dictionaries(KEYS, VALUES), st.text())
def test_no_record_and_no_address_raises(record: dict[str, Any], ip: str) -> None:
    country_in(record)
    company_in(record)
    Geo().place(ip)
