"""How large a ruleset and everything in it may be, and how a JSON Schema says so."""

from msgspec import Meta

MOST_BYTES = 64_000  # of the document without the spaces between its parts
MOST_BODY = 256_000  # of the document as it is sent
MOST_PROBLEMS = 100  # told of one document
MOST_RULES = 500
MOST_THRESHOLDS = 20
MOST_GROUPS = 50
MOST_STEPS = 10
MOST_CONDITIONS = 10  # tests of one event
MOST_WORDS = 100  # of one field
MOST_VALUES = 1_000  # of one `in`
MOST_LABEL = MOST_TEXT = 200  # characters
MOST_PATTERN = 500
MOST_STARS = 8
MOST_COUNT = 1_000
MOST_DAYS = 3_650
MOST_READ_MS = 86_400_000  # a page view never counts more than a day
MOST_GAP_MINUTES = 24 * 60
#: Milli-points.
MOST_POINTS = 1_000_000
MOST_CAP = 10_000_000
MOST_THRESHOLD = 20_000_000
DECIMALS = "points, with at most three decimal places"


def points(most: int, about: str = "") -> Meta:
    """A decimal number of points; `most` is in milli-points, as the value is inside."""
    told = f"{about}: {DECIMALS}" if about else DECIMALS
    bounds = {"milli": True, "minimum": -most // 1_000, "maximum": most // 1_000}
    return Meta(description=told, extra_json_schema=bounds)


def number(least: int, most: int, about: str) -> Meta:
    """A whole number."""
    return Meta(description=about, extra_json_schema={"minimum": least, "maximum": most})


def text(most: int, about: str) -> Meta:
    """A text of at most so many characters."""
    return Meta(description=about, extra_json_schema={"maxLength": most})


def items(least: int, most: int, about: str = "") -> Meta:
    """A list of so many parts."""
    bounds = {"minItems": least, "maxItems": most} if least else {"maxItems": most}
    return Meta(description=about or None, extra_json_schema=bounds)
