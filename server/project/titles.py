"""The rank that a job title names, in the languages such titles are mostly written in."""

import re
import unicodedata
from functools import lru_cache

RANKS = ("c_level", "vp", "director", "head")

_PARTS = re.compile(r"[,;/|&+()–—•]|\s-\s|\b(?:and|und|et|y|e|en|i)\b")
#: What follows these words is somebody else's title.
_OF_ANOTHER = re.compile(
    r"\b(?:to (?:the|our|a|an|ceo|cto|cfo|cmo|coo|vp|svp|evp|md|head|director|chief|president"
    r"|founder|owner|management|board)|office of|reporting|reports)\b.*"
)
_SERVES = re.compile(
    r"assisten|\bassist(?:ant|ante|ent)\b(?!\s+(?:vice|vp|director|head)\b)|\basistente\b"
    r"|\bsecretar|sekret|referent"
)
_NOT_YET = r"(?:student|studentin|intern|trainee|apprentice|praktikant\w*|stagiaire|becari[oa])"
_NOT_NOW = re.compile(
    r"^(?:ex|former|formerly|ehemalige[rs]?|ancien(?:ne)?|retired|aspiring|future)\b"
    rf"|^{_NOT_YET}\b|\b{_NOT_YET}$"
)
#: Whole words of a part of a title, without accents, `*` for the rest of a word.
_WORDS = {
    "c_level": (
        "c[abcdefgiklmopqrstvx]o|ciso|chro|chief .*officer|pdg",
        "managing director|general director|direct(eur|rice) generale?|directora? general",
        "direttore generale|algemeen directeur|amministrat(ore|rice) delegat[oa]",
        "consejer[oa] delegad[oa]|gerante?|geschaeftsfuehr*|geschaeftsleit*|vorstand*|vorstaende",
        "(co ?)?founder|(mit)?gruender(in)?|fondat(eur|rice|ore)|fundadora?|oprichter",
        "inhaber(in)?|(business|company) owner|presidente?|praesident(in)?|prezes",
    ),
    "vp": ("[aes]?vp|vice ?president[ea]?|vize ?praesident(in)?|wiceprezes",),
    "director": (
        "directors?|directora|direct(eur|rice)|*direktor(in)?|*direktoer|dirett(ore|rice)",
        "diretora?|dyrektor(ka)?",
    ),
    "head": (
        "head of|leiter(in)?|leitung|(abteilungs|bereichs|vertriebs|marketing|it|personal)leit*",
        "responsable|responsabile|jef[ea] de|hoofd|kierownik",
    ),
}
#: What is a rank only as all of a part, or at its end: not in “head chef” or “product owner”.
_ALONE = {"c_level": "^owner$", "head": r"\bhead$"}


def _pattern(rank: str) -> re.Pattern[str]:
    words = re.sub(r"(?<!\.)\*", r"\\w*", "|".join(_WORDS[rank]))
    return re.compile(rf"\b(?:{words})\b|{_ALONE.get(rank, '(?!)')}")


_RANKS = {rank: _pattern(rank) for rank in RANKS}
_VICE = _RANKS["vp"]
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "ß": "ss"})


@lru_cache(maxsize=4096)
def seniority(title: str) -> str:
    """`c_level`, `vp`, `director`, `head`, or empty: the highest rank that the title claims for its
    holder. An assistant to a VP, a former head and a product owner hold none of them."""
    plain = _plain(title[:200])
    if _SERVES.search(plain):
        return ""
    ranks = {_rank(part.strip()) for part in _PARTS.split(plain)}
    return next((rank for rank in RANKS if rank in ranks), "")


def _plain(title: str) -> str:
    """Lower case, umlauts spelt out, other accents and dots dropped: `V.P.` is `vp`."""
    text = unicodedata.normalize("NFC", title).casefold().translate(_UMLAUTS)
    text = unicodedata.normalize("NFD", text)
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = re.sub(r"(?<=\w)-(?=\w)", " ", text)
    return " ".join(re.sub(r"[.'’*:_\"]", "", text).split())


def _rank(part: str) -> str:
    own = _OF_ANOTHER.sub("", part).strip()
    if not own or _NOT_NOW.search(own):
        return ""
    if _VICE.search(own):
        return "vp"
    return next((rank for rank in RANKS if _RANKS[rank].search(own)), "")
