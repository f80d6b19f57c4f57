"""Where the columns of a session's row are, and what the rollups hold of it."""

from server.project.rollups import Counted, cells_of
from server.storage import derived
from server.storage.database import Row

SESSION = {name: index for index, name in enumerate(derived.SESSIONS.columns[2:])}
START, END = SESSION["start_at"], SESSION["end_at"]
_COUNTED = tuple(
    SESSION[name]
    for name in (
        "day",
        "prev_day",
        "page_views",
        "engaged_ms",
        "leads",
        "channel",
        "source",
        "landing",
        "alone",
    )
)


def owner_of(session: Row) -> int:
    """The person of a session's row."""
    owner: int = session[SESSION["person_id"]]
    return owner


def counted(session: Row) -> dict[tuple[str, int, str], int]:
    """What the rollups hold of a session's row, under whatever settings it was written."""
    row = Counted._make(session[index] for index in _COUNTED)
    return cells_of(row, session[SESSION["visitor_id"]])


def followed(session: Row, day: int) -> Row:
    """A session's row, where the one before it began on another day (-1: there is none)."""
    at = SESSION["prev_day"]
    return (*session[:at], day, *session[at + 1 :])
