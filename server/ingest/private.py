"""What must never be stored: names and values that look like secrets, e-mail addresses or cards.

Shared by the address of a page (`urls`) and by the fields of a form (`fields`). Every pattern is
linear in its text, and every test of a value searches, so a piece of a harmless text is harmless.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate
from urllib.parse import unquote_plus

MASK = "[masked]"

#: Controls, surrogates, zero-width and bidirectional marks: they only ever disguise a text.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def vocabulary(text: str) -> frozenset[str]:
    """The words of a list that reads better as a line of text."""
    return frozenset(text.split())


_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+")
_EMAIL = re.compile(r"[^\s@,;:/?&=<>()\"']@(?:[\w-]+\.)+[^\W\d_]{2,}")
_JWT = re.compile(r"eyJ[\w-]{8,}")
_RUN = re.compile(r"[A-Za-z0-9]{16,}")
_LONG_NUMBER = re.compile(r"[0-9]{13,}")
_PIECES = re.compile(r"[?&;#]")
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[ \-\u00a0\u202f]?[0-9]){12,}(?![0-9])")
_SESSION_IN_PATH = re.compile(r";(?:jsessionid|sessionid|phpsessid|sid|token)=[^/;]*", re.I)
_DELICATE = re.compile(
    r"reset|verif|confirm|invit|magic|token|unsubscri|activat|password|log-?in|auth|session", re.I
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_MASKED_PART = "-masked-"

#: A name that ends in one of these, in any of its words, names a secret.
_ENDINGS = (
    "token", "password", "passwd", "passwort", "kennwort", "motdepasse", "contrasena", "pwd",
    "secret", "nonce", "jwt", "apikey", "sessionid", "sessid", "csrf", "xsrf", "credential",
    "credentials", "signature", "authorization", "passcode", "passphrase", "oauth",
)  # fmt: skip
#: Secret as the whole name only: `country_code` and `sort_key` are harmless.
_WHOLE = vocabulary(
    "key code session sess sid sig pass pin otp auth ticket nonce bearer samlresponse samlrequest "
    "assertion email mail emailaddress useremail mailaddress phone tel mobile username login "
    "firstname lastname fname lname fullname ssn iban cvv cvc cardnumber"
)
#: `key`, `code` or `session` next to one of these is a secret too: `access_code`, `session_id`.
_SHARP = vocabulary("key code session id")
_BESIDE = vocabulary(
    "api access auth secret private license licence session login verification verify confirm "
    "confirmation reset invite activation security magic otp"
)
#: Secret wherever the word stands in the name.
_ANYWHERE = vocabulary("auth otp jwt csrf xsrf saml pwd password secret")


def clean_text(text: str) -> str:
    """Without controls and unseen marks; line breaks stay, as `\\n`."""
    if UNSEEN.search(text):
        lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
        text = "\n".join(UNSEEN.sub("", line) for line in lines)
    return text.strip()


def clean_line(text: str) -> str:
    """On one line, without controls and unseen marks."""
    return UNSEEN.sub("", text).strip()


def words_of(name: str) -> tuple[str, ...]:
    """The lower-case words of a field name, without accents: `prénomClient_2` is prenom, client."""
    if not name.isascii():
        folded = unicodedata.normalize("NFKD", name)
        name = "".join(char for char in folded if not unicodedata.combining(char))
    return tuple(_WORD.findall(_HUMP.sub(" ", name).lower()))


def is_secret_name(name: str) -> bool:
    """Whether something of this name is a password, a code or a token, wherever it stands."""
    words = words_of(name)
    if any(word in _ANYWHERE or word.endswith(_ENDINGS) for word in words):
        return True
    return len(words) > 1 and words[-1] in _SHARP and not _BESIDE.isdisjoint(words[:-1])


@lru_cache(maxsize=512)
def is_private_name(name: str) -> bool:
    """Whether a query parameter of this name carries a secret or a person (trust T26)."""
    words = words_of(name)
    return "".join(words) in _WHOLE or "email" in words or is_secret_name(name)


def decodings(text: str) -> tuple[str, ...]:
    """The text, and what it says with its percent escapes undone once, twice and thrice."""
    seen = [text]
    while len(seen) < 4 and ("%" in text or "+" in text):
        text = unquote_plus(text)
        if text == seen[-1]:
            break
        seen.append(text)
    return tuple(seen)


def names_someone(text: str) -> bool:
    """Whether an e-mail address or a signed token (JWT) stands anywhere in the text."""
    return any(
        ("@" in form and _EMAIL.search(form) is not None) or _JWT.search(form) is not None
        for form in decodings(text)
    )


def is_random(text: str) -> bool:
    """Whether a run of letters and digits is long and mixed enough to be a key or a token.

    A UUID is not: its runs are short, and pages are named by UUIDs. Nor are plain numbers.
    """
    for run in _RUN.findall(text):
        if run.isdigit() or run.isalpha():
            continue
        mixed = not run.islower() and not run.isupper()
        if len(run) >= 24 or mixed or (len(run) >= 20 and run.isupper()):
            return True
    return False


def has_private_pair(text: str) -> bool:
    """Whether the text holds `name=value` with a private name, also inside an escaped URL."""
    forms = decodings(text)
    return "=" in forms[-1] and any(
        mark and value and is_private_name(name)
        for form in forms
        for piece in _PIECES.split(form)
        for name, mark, value in (piece.partition("="),)
    )


def has_card(text: str) -> bool:
    """Whether a card number of a known network (3 to 6 first) stands in the text.

    Narrower than `mask_cards`: an address is full of long numbers, one in ten of them Luhn-valid.
    """
    return any(
        run[0] in "3456" and len(run) <= 19 and _luhn(run)
        for form in decodings(text)
        for run in _LONG_NUMBER.findall(form.replace(" ", "").replace("-", ""))
    )


def is_private_text(text: str) -> bool:
    """Whether a `name=value` of an address must go: by its name or by what its value looks like."""
    return (
        names_someone(text)
        or is_random(decodings(text)[-1])
        or has_private_pair(text)
        or has_card(text)
    )


def _luhn(digits: str) -> bool:
    return _card_sums(digits)[len(digits) % 2][-1] % 10 == 0


def _card_sums(digits: str) -> tuple[list[int], list[int]]:
    """Running sums of the digits, every second one doubled: the first list doubles those at even
    places, the second those at odd ones. The digits from `a` to before `b` make a card number if
    `sums[b % 2][b] - sums[b % 2][a]` ends in 0."""
    odd, even = [0], [0]
    for place, digit in enumerate(digits):
        number = int(digit)
        twice = number * 2 - 9 if number > 4 else number * 2
        odd.append(odd[-1] + (twice if place % 2 else number))
        even.append(even[-1] + (number if place % 2 else twice))
    return even, odd


def _mask_run(match: re.Match[str]) -> str:
    """Mask every stretch of whole groups that makes a valid card number of 13 to 19 digits."""
    parts = re.split(r"(\D)", match[0])  # groups of digits at the even places
    groups = parts[::2]
    starts = [0, *accumulate(len(group) for group in groups)]
    sums = _card_sums("".join(groups))
    out: list[str] = []
    first = 0
    while first < len(groups):
        after, begin = 0, starts[first]
        for last in range(first, len(groups)):
            end = starts[last + 1]
            if end - begin > 19:
                break
            if end - begin >= 13 and (sums[end % 2][end] - sums[end % 2][begin]) % 10 == 0:
                after = last + 1  # the longest one counts
        out.append(MASK if after else groups[first])
        first = after or first + 1
        out += parts[first * 2 - 1 : first * 2]  # what separated it from the next
    return "".join(out)


def mask_cards(text: str) -> str:
    """Mask card numbers: Luhn-valid, 13 to 19 digits, also in groups (widget item 86)."""
    return _DIGITS.sub(_mask_run, text)


def without_secrets(path: str) -> str:
    """The path of an address without session ids, e-mail addresses and tokens."""
    if ";" in path:
        path = _SESSION_IN_PATH.sub("", path)
    parts = path.split("/")
    before = ""
    for place, part in enumerate(parts):
        if part and (
            names_someone(part)
            or has_private_pair(part)
            or (_DELICATE.search(before) and (is_random(part) or _UUID.fullmatch(part)))
        ):
            parts[place] = _MASKED_PART
        before = part
    return "/".join(parts)
