"""The body of a webhook: `type`, `timestamp` and `data`, as the Standard Webhooks say."""

import hashlib
from typing import Any

import msgspec

from server.model import Kind
from server.tell.news import News

TYPES = {
    Kind.STAGE_MOVED: "person.stage_moved",
    Kind.CROSSED: "person.threshold_crossed",
    Kind.REARMED: "person.rearmed",
    Kind.RETRACTED: "person.retracted",
}


def message_id(uid: str, seq: int, event_id: bytes) -> str:
    """The id of a message: the same for one consequence at one destination, however often it is
    sent, and no other installation's. A log that was restored may use a number twice, hence the id
    of the event."""
    name = f"{uid}|{seq}|".encode() + event_id
    return "msg_" + hashlib.blake2b(name, digest_size=16).hexdigest()


def body(news: News) -> bytes:
    """The JSON that is signed and sent."""
    return msgspec.json.encode({"type": TYPES[news.kind], "timestamp": news.at, "data": data(news)})


def data(news: News) -> dict[str, Any]:
    """What happened, to whom, and why."""
    who = news.person
    person = {name: getattr(who, name) for name in who.__struct_fields__ if name != "known"}
    if not who.known:
        person = {"id": who.id, "email": who.email}
    found: dict[str, Any] = {
        "id": news.id,
        "test": news.test,
        "site": {"id": news.site_id, "name": news.site},
        "person": person,
    }
    if news.kind is Kind.RETRACTED:
        return found | {"retracts": news.retracts, "threshold": news.threshold}
    found |= {
        "threshold": news.threshold,
        "threshold_points": news.threshold_points,
        "from": news.stage_from,
        "to": news.stage or news.stage_from,
        "reason": news.reason,
        "score": news.score,
        "receipt": news.receipt,
        "cause": news.cause,
        "pages": news.pages,
    }
    return found
