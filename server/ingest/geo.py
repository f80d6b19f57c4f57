"""Country and company of an address, from MMDB files that the owner supplies.

No data set ships with us. IPinfo Lite, DB-IP Lite, GeoLite2 and files of the same shapes work.
The address is looked up and forgotten: nothing here keeps one, not even in a cache: a lookup
takes a few µs.
"""

import os
import re
from functools import lru_cache
from typing import Any, Self

import msgspec

from server.errors import HandraiseError
from server.ingest.private import UNSEEN, vocabulary

_COUNTRY = re.compile(r"[A-Z]{2}")
_MAX_COMPANY = 100  # characters

#: An owner of addresses with one of these in its name or domain sells access or computers: the
#: visitor is its customer, not its colleague. Tested on whole words of the name …
_ACCESS_WORDS = vocabulary(
    "isp telecom telecomm telecoms telekom telecommunication telecommunications telefonica telco "
    "communications communication broadband cable cablevision internet mobile wireless cellular "
    "fiber fibre fibra dsl satellite hosting host hosts hosted cloud clouds server servers vps vpn "
    "datacenter datacentre datacenters colo colocation cdn backbone transit proxy network networks "
    "netzwerk net online provider dedicated comunicaciones telecomunicaciones telecomunicacoes"
)
#: … and anywhere in the name or domain: access providers, hosts and relays by name.
_ACCESS_NAMES = re.compile(
    r"telecom|telekom|telefon|hosting|broadband|comcast|verizon|vodafone|t-?mobile|at&t|att\.com"
    r"|charter comm|spectrum|centurylink|lumen|cox\.|cox comm|sprint|\borange\b|bouygues|proximus"
    r"|swisscom|telia|telenor|telstra|optus|virgin ?media|bskyb|sky uk|british telecom|talktalk"
    r"|plusnet|\bkpn\b|ziggo|liberty global|1&1|1und1|ionos|\bo2\b|free sas|\bsfr\b|rogers comm"
    r"|shaw comm|bell canada|telus|\bjio\b|airtel|starlink|chinanet|china unicom"
    r"|\bntt\b|kddi|softbank|amazon|\baws\b|google|microsoft|azure|oracle|digitalocean|linode|akamai"
    r"|cloudflare|fastly|hetzner|\bovh|scaleway|contabo|leaseweb|vultr|choopa|alibaba|tencent|huawei|rackspace"
    r"|godaddy|namecheap|strato|netcup|equinix|cogent|\bm247|datacamp|zscaler|netskope|nordvpn"
    r"|mullvad|proton ?vpn|tor exit|private relay",
    re.I,
)
_ACCESS_TYPES = vocabulary("isp hosting cellular mobile vpn proxy tor relay")
_WORD = re.compile(r"[^\W\d_]+")


class Geo:
    """Looks up places. Without a file every place is unknown."""

    def __init__(self, readers: tuple[Any, ...] = ()) -> None:
        self._readers = readers

    @classmethod
    def open(cls, path: str | None) -> Self:
        """Open the MMDB file at `path`, or several joined by the system's path separator.

        Raises `HandraiseError` (code `geo`) with what to do if it cannot. To bring in a newer
        file, put it in place by renaming and restart: an open one is mapped into memory.
        """
        if not path:
            return cls()
        try:
            import maxminddb
        except ImportError:
            raise HandraiseError(
                "looking up countries needs one more package: pip install 'handraise[geo]'",
                code="geo",
            ) from None
        readers: list[Any] = []
        for name in filter(None, path.split(os.pathsep)):
            try:
                readers.append(maxminddb.open_database(name))
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                for reader in readers:
                    reader.close()
                raise HandraiseError(f"cannot read {name} as MMDB: {error}", code="geo") from error
        return cls(tuple(readers))

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    def place(self, ip: str) -> str:
        """`{"company","country"}` of an address as compact JSON, unknown parts left out, or empty.

        `country` is two capital letters, `company` a domain where the file has one, else a name.
        """
        if not self._readers:
            return ""
        found: dict[str, str] = {}
        for record in self._records(ip.partition("%")[0].removeprefix("::ffff:")):
            country, company = country_in(record), company_in(record)
            if country:
                found.setdefault("country", country)
            if company:
                found.setdefault("company", company)
        return msgspec.json.encode(found, order="sorted").decode() if found else ""

    def _records(self, ip: str) -> list[dict[str, Any]]:
        records = []
        for reader in self._readers:
            try:
                record = reader.get(ip)
            except Exception:  # noqa: S112  # no address, IPv6 in an IPv4 file, damaged page
                continue
            if isinstance(record, dict):
                records.append(record)
        return records


def country_in(record: dict[str, Any]) -> str:
    """The ISO country code of a record in any of the usual shapes."""
    country = record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code") or country.get("code")
    for value in (record.get("country_code"), country, record.get("countryCode")):
        if isinstance(value, str) and _COUNTRY.fullmatch(value.upper()):
            return value.upper()
    return ""


def company_in(record: dict[str, Any]) -> str:
    """Who owns the network of a record; empty for access providers, hosts and relays."""
    maps = (record.get(key) for key in ("company", "asn", "as"))
    inner: dict[str, Any] = next((value for value in maps if isinstance(value, dict)), {})
    domain = _line(record.get("as_domain") or inner.get("domain"))
    name = _line(
        record.get("organization")
        or record.get("organisation")
        or inner.get("name")
        or record.get("as_name")
        or record.get("autonomous_system_organization")
    )
    kind = _line(record.get("as_type") or inner.get("type") or record.get("type")).lower()
    if kind in _ACCESS_TYPES or record.get("is_hosting") or _sells_access(name, domain):
        return ""
    return domain.lower() or name


def _line(value: object) -> str:
    return UNSEEN.sub("", value).strip()[:_MAX_COMPANY] if isinstance(value, str) else ""


@lru_cache(maxsize=4_096)  # by owner, never by address
def _sells_access(name: str, domain: str) -> bool:
    if _ACCESS_NAMES.search(f"{name} {domain}"):
        return True
    return not _ACCESS_WORDS.isdisjoint(_WORD.findall(name.lower()))
