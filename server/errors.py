"""The one tree of errors, and the closed list of reasons for which an event is refused.

HandraiseError
├── BadRequest      400  the caller can fix it
├── Unauthorised    401  no valid token or sign-in
├── Forbidden       403  valid, but not allowed; also an unknown site key
├── NotFound        404  unknown, or of another site: the same answer
├── Moved           308  a person that was merged into another
├── Conflict        409  the change contradicts what is stored
├── TooLarge        413  a body over its limit
├── OtherCoding     415  a body packed otherwise than by gzip
├── Overloaded      503  try again after `retry_after` seconds
├── TooManyTries    429  wrong passwords: wait `retry_after` seconds
├── SchemaError          the database does not fit this program
└── DataError            a row or an event that the database refuses
"""

from enum import StrEnum

from server.starting import command


class HandraiseError(Exception):
    """`code` is for machines, the message is a sentence for people; both are safe to show."""

    status = 500
    code = "internal"

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class BadRequest(HandraiseError):
    status = 400
    code = "bad_request"


class Unauthorised(HandraiseError):
    status = 401
    code = "unauthorised"


class Forbidden(HandraiseError):
    status = 403
    code = "forbidden"


class NotFound(HandraiseError):
    status = 404
    code = "not_found"


class Moved(HandraiseError):
    """`location` is the path under which the resource lives now."""

    status = 308
    code = "merged_into"

    def __init__(self, detail: str, *, location: str) -> None:
        super().__init__(detail)
        self.location = location


class Conflict(HandraiseError):
    status = 409
    code = "conflict"


class TooLarge(HandraiseError):
    status = 413
    code = "too_large"


class OtherCoding(HandraiseError):
    status = 415
    code = "coding"


class Overloaded(HandraiseError):
    status = 503
    code = "overloaded"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooManyTries(HandraiseError):
    """Wrong passwords, one after another: nobody is locked out, everybody has to wait (s)."""

    status = 429
    code = "too_many_tries"

    def __init__(self, retry_after: int) -> None:
        link = command("link", to_all=True)
        super().__init__(f"too many tries: wait {retry_after} s, or run `{link}` on the server")
        self.retry_after = retry_after


class SchemaError(HandraiseError):
    code = "schema"


class DataError(HandraiseError):
    code = "data"


class Refusal(StrEnum):
    """Why an event was not taken. Every one is counted; most are shown to the site's owner."""

    UNPARSABLE = "unparsable"  # the event is not of the documented shape
    UNKNOWN_TYPE = "unknown_type"  # `y` names no event type
    BAD_ID = "bad_id"  # event or visitor id is not 22 characters of base64url
    BAD_URL = "bad_url"  # a page event without an http(s) URL
    TOO_BIG = "too_big"  # an event over 32 kB
    TOO_MANY = "too_many"  # more events in one batch than allowed
    TOO_OLD = "too_old"  # older than the site keeps page events
    ORIGIN = "origin"  # sent from a page that is not on the site's list
    CONSENT = "consent"  # the visitor said no
    GPC = "gpc"  # Global Privacy Control or Do Not Track
    ASK = "ask"  # consent not given yet, and the site's mode is `off`
    NO_VISITOR = "no_visitor"  # a full event without a visitor id
    RESERVED = "reserved_id"  # `null`, `undefined`, `anonymous` … as an identifier
    FORM = "form"  # of a form that the owner wants left alone
    HONEYPOT = "honeypot"  # a field no person sees was filled in
    TOO_FAST = "too_fast"  # a form sent back before a person could have read it
    TOKEN = "token"  # noqa: S105  a form token that is forged or expired
    BAD_TOKEN = "bad_token"  # noqa: S105  an identify token that is forged, expired or another site's
    TOMBSTONE = "tombstone"  # of somebody who was erased; never told in public
    RATE = "rate"  # over the site's own limit
    UNSTORABLE = "unstorable"  # the database refused this one event
