"""Visits as the tracker would have told them: batches of events in the form of the wire."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from server.demo import forms
from server.demo.agents import Agent
from server.demo.content import BY_PATH
from server.demo.sources import Arrival
from server.demo.walks import Stop

BUILD = "demo"
CONSENT_HASH = sha256(forms.CONSENT_TEXT.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Batch:
    """One request of a browser: who sent it, when, and its body."""

    received_user_agent: str
    at_ms: int
    envelope: dict[str, Any]


@dataclass
class Browser:
    """One visitor: a browser with its id, its language and zone, and what it said of consent."""

    visitor: str
    agent: Agent
    width: int
    language: str
    zone: str
    consent: str
    flags: int = 0
    is_new: bool = field(default=True)


def text_id(value: int, size: int) -> str:
    """A number as base64url without padding: 22 characters for 16 bytes, 11 for 8."""
    return urlsafe_b64encode(value.to_bytes(size, "big")).rstrip(b"=").decode()


def event_id(rng: Random, at_ms: int) -> str:
    """128 bits, the time first."""
    return text_id(at_ms << 80 | rng.getrandbits(80), 16)


class Tab:
    """One tab during one visit: numbers its events and remembers the page before."""

    def __init__(self, rng: Random, browser: Browser, key: str, origin: str, start_ms: int) -> None:
        self._rng = rng
        self._browser = browser
        self._key = key
        self._origin = origin
        self._id = text_id(rng.getrandbits(64), 8)
        self._number = 0
        self._referrer = ""
        self._page: tuple[str, str] = ("", "")
        self._events: list[dict[str, Any]] = []
        self.now_ms = start_ms

    def visit(self, arrival: Arrival, stops: tuple[Stop, ...]) -> list[Batch]:
        """A batch for every page, sent on leaving it."""
        self._referrer = arrival.referrer
        batches = []
        for place, stop in enumerate(stops):
            query = f"?{arrival.query}" if place == 0 and arrival.query else ""
            batches.append(self._stop(f"{self._origin}{stop.path}{query}", stop))
        return batches

    def _stop(self, url: str, stop: Stop) -> Batch:
        self._view(url, stop.path)
        stay = max(1_000, round(stop.seconds * 1_000))
        told = 0
        if stop.form:
            told = round(stay * 0.4)
            self._pass(told)
            self._begin_form(stop)
        elif stop.download:
            told = round(stay * 0.5)
            self._pass(told)
            self._tell("download", {"href": f"{self._origin}{stop.download}", "text": "Download"})
        elif stay > 60_000:
            # Somebody who reads for long looks away once, and the tracker tells how far they came.
            told = round(stay * 0.55)
            self._pass(told)
            self._tell("engagement", {"ms": told, "scroll": stop.scroll // 2})
            self._pass(self._rng.randint(1_000, 20_000))
        self._pass(stay - told)
        if stop.person:
            self._send_form(stop)
        self._tell("engagement", {"ms": stay, "scroll": stop.scroll})
        self._pass(self._rng.randint(20, 900))
        return self._flush()

    def _view(self, url: str, path: str) -> None:
        browser = self._browser
        page = self._tell(
            "page_view",
            {
                "w": browser.width,
                "sc": browser.agent.screen,
                "l": browser.language,
                "z": browser.zone,
            },
        )
        page |= {"u": url, "r": self._referrer, "n": BY_PATH[path].full_title}
        del page["p"]
        self._page = (page["i"], url)
        self._referrer = url

    def _begin_form(self, stop: Stop) -> None:
        form = forms.BY_KEY[stop.form]
        self._tell("form_start", {"form": form.key, "fields": list(form.field_names)})

    def _send_form(self, stop: Stop) -> None:
        form, who = forms.BY_KEY[stop.form], stop.person
        assert who is not None  # noqa: S101 - only called for a stop with a person
        kinds = {
            asked.name: asked.autocomplete if asked.kind == "text" else asked.kind
            for asked in form.fields
        }
        self._tell(
            "form_submit",
            {
                "form": form.key,
                "fields": {name: who.answer(name) for name in form.field_names},
                "kinds": {**kinds, "consent": "checkbox"},
                "attempt": 0,
                "consent": {
                    "text": CONSENT_HASH,
                    "version": forms.CONSENT_VERSION,
                    "ticked": ["consent"],
                },
            },
        )

    def _tell(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        self._pass(1)  # two events never share a moment, so their ids are in order
        self._number += 1
        told = {
            "i": event_id(self._rng, self.now_ms),
            "y": kind,
            "t": self.now_ms,
            "u": self._page[1],
            "p": self._page[0],
            "q": self._number,
            "d": data,
        }
        self._events.append(told)
        return told

    def _pass(self, ms: int) -> None:
        self.now_ms += ms

    def _flush(self) -> Batch:
        browser = self._browser
        envelope = {
            "x": 1,
            "b": BUILD,
            "k": self._key,
            "v": browser.visitor,
            "t": self.now_ms,
            "c": browser.consent,
            "s": self._id,
            "f": browser.flags | int(browser.is_new),
            "e": self._events,
        }
        browser.is_new = False
        self._events = []
        return Batch(browser.agent.text, self.now_ms, envelope)
