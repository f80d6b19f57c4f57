"""The document says what the program does: a fuzzer finds no answer outside of it.

A file of its own: `make quick` does not even read it, for collecting its cases takes seconds.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.cli.serving import http_server
from server.web.openapi import document
from server.web.routes import operations
from tests.acme import mistyped
from tests.engines import sqlite_place
from tests.office import Office, opened_office

T = TypeVar("T")


async def nothing(request: Any) -> Any:
    raise AssertionError(request)


DOCUMENT = document(operations(nothing), "")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, str]]:
    """One office that listens, in a thread of its own: the fuzzer waits for its answers."""
    folder = tmp_path_factory.mktemp("fuzzed")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    context = opened_office(sqlite_place(folder), folder)
    office = wait(context.__aenter__())
    AIMED["conflict_id"] = wait(mistyped(office.world))
    wait(destination(office))
    listener = socket.create_server(("127.0.0.1", 0))
    server = http_server(office.app.asgi)
    serving = asyncio.run_coroutine_threadsafe(server.serve(sockets=[listener]), loop)
    try:
        yield office, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.result(10)
        wait(context.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def destination(office: Office) -> None:
    """One whose name means nothing: no test of it leaves this machine; and a segment."""

    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError

    office.app.state.teller.post.webhooks._guarded.resolve = nowhere
    async with office.client(office.token) as client:
        hook = {"kind": "webhook", "url": "https://crm.example.com/hook"}
        answer = await client.post("/api/v1/sites/1/destinations", json=hook)
        kept = {"name": "Hot", "filter": {"min_score": 50}}
        segment = await client.post("/api/v1/sites/1/segments", json=kept)
    assert (answer.status_code, segment.status_code) == (201, 201)


#: Things that are there beside what every office has.
AIMED: dict[str, str] = {}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.mark.slow
@SCHEMA.exclude(path="/api/v1/sites/{site_id}/live").parametrize()  # it does not end
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_undocumented(
    case: schemathesis.Case[Any], fuzzed: tuple[Office, str]
) -> None:
    """No 5xx, and no status, media type or body that the document does not name."""
    office, url = fuzzed
    aim(case, office)
    headers = {"Authorization": f"Bearer {office.token}"}
    case.call_and_validate(
        base_url=url,
        headers=headers,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )


def aim(case: schemathesis.Case[Any], office: Office) -> None:
    """Most cases at things that are there, and none at the token they are sent with."""
    there = {
        "site_id": "1",
        "person_id": office.known.ada,
        "visitor_id": office.known.stranger,
        "token_id": "t77",
        "event_id": "e1",
        "note_id": "e1",
        "destination_id": "d1",
        "segment_id": "g1",
        "version": "1",
        "preset": "seed",
        **AIMED,
    }
    for name in case.path_parameters.keys() & there.keys():
        if name == "token_id" or len(str(case.path_parameters[name])) % 4:
            case.path_parameters[name] = there[name]
