"""Errors as `application/problem+json` (RFC 9457): a code for machines, a sentence for people."""

import http
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.errors import HandraiseError, Moved, Overloaded

TYPE = "application/problem+json"
#: The same as a header line.
PROBLEM = (b"content-type", TYPE.encode())
#: What is said of a fault of ours, to whoever asks; what it was stays in the log.
FAULT = "an error of ours: the log of the server says which"
#: What whoever is turned away before the app is asked is told beside the sentence: when to come
#: again. The widget asks from pages of other origins, and can read it only if it is let.
TURNED_AWAY = {
    "Retry-After": "5",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}


def problem_body(status: int, code: str, detail: str, **more: Any) -> bytes:
    """The document. `type` is a stable relative reference that ends in the code."""
    return msgspec.json.encode(
        {
            "type": f"/problems/{code}",
            "title": http.HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            **more,
        }
    )


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    return Response(problem_body(status, code, detail, **more), status, media_type=TYPE)


def of_error(error: HandraiseError) -> Response:
    """The answer for one of our errors; details of a fault of ours stay in the log."""
    if isinstance(error, Moved):
        answer = problem(308, error.code, error.detail, merged_into=error.location)
        answer.headers["Location"] = error.location
        answer.headers["Cache-Control"] = "no-store"  # a split takes it back
        return answer
    detail = error.detail if error.status < 500 or error.status == 503 else FAULT
    answer = problem(error.status, error.code, detail)
    if isinstance(error, Overloaded):
        answer.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="handraise"'
    return answer


async def on_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for the whole tree."""
    del request
    assert isinstance(error, HandraiseError)  # noqa: S101 - registered for this type only
    return of_error(error)


async def on_fault(request: Request, error: Exception) -> Response:
    """Whatever nobody foresaw. Starlette raises it again afterwards, which is how it is logged."""
    del request, error
    return problem(500, "internal", FAULT)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, in our shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for its statuses only
    codes = {404: "not_found", 405: "method"}
    details = {
        404: f"there is nothing at {request.url.path[:200]}",
        405: "another method is needed",
    }
    answer = problem(
        error.status_code, codes.get(error.status_code, "http"), details.get(error.status_code, "")
    )
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer
