"""Entries → `Seen`: interned ids back into words, each looked up once and remembered."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from server.ingest.agents import Agents
from server.ingest.channels import touch_of
from server.ingest.urls import groups_of, host_of, page_key
from server.model import Class, Consent, Door, Kind, Level, Site
from server.project.seen import Seen
from server.storage import entries
from server.storage.database import Reader, Row
from server.storage.entries import Entry
from server.storage.session_events import Happened

#: Texts that are kept, and what was read from them; and characters of these texts.
REMEMBERED = 20_000
REMEMBERED_LENGTH = 4_000_000
_json = msgspec.json.Decoder()


class Page(NamedTuple):
    page: str
    groups: tuple[str, ...]
    host: str


class Arrived(NamedTuple):
    source: str
    medium: str
    campaign: str
    channel: str
    external: bool
    referrer: str
    utm: str


NO_PAGE = Page("", (), "")
NOWHERE = Arrived("", "", "", "", False, "", "")
#: The doors whose identifiers the owner vouches for.
ASSERTING = frozenset({Door.API, Door.IMPORT, Door.OPERATOR})
#: Members by their codes: a look into a dict costs a tenth of a call of an enum.
KINDS = {int(member): member for member in Kind}
DOORS = {int(member): member for member in Door}
CONSENTS = {int(member): member for member in Consent}
CLASSES = {int(member): member for member in Class}
LEVELS = {int(door): Level.ASSERTED for door in ASSERTING} | {int(Door.MAIL): Level.PROVEN}
HUMAN = Class.HUMAN
_TEXTS = slice(Happened._fields.index("url_id"), Happened._fields.index("page_view"))


class Classes:
    """What somebody decided about whole visitors and single events; else what accept said."""

    def __init__(self) -> None:
        self.visitors: dict[int, Class] = {}
        self.events: dict[int, Class] = {}

    def of(self, row: Entry) -> Class:
        """The class of an event as it is now."""
        if not self.visitors and not self.events:
            return CLASSES[row.class_] if row.class_ else HUMAN
        found = self.events.get(row.seq, self.visitors.get(row.visitor_id or -1))
        return CLASSES[row.class_] if found is None else found


class Lookup:
    """The words of one site's log. A change of the site's settings needs a new one."""

    def __init__(self, site: Site, agents: Agents) -> None:
        self.classes = Classes()
        self.site = site
        self.agents = agents
        self.texts: dict[int, str] = {}
        self._length = 0  # of the texts, in characters
        self._pages: dict[int, Page] = {}
        # By what they follow from and no more: of pages, places and browsers together there are
        # many times as many.
        self._arrivals: dict[tuple[str, int | None, int | None], Arrived] = {}
        self._agents: dict[int | None, tuple[str, str, str]] = {}
        self._places: dict[int | None, tuple[str, str]] = {}
        self._languages: dict[int | None, str] = {}

    async def prepare(self, reader: Reader, rows: Iterable[Entry]) -> None:
        """Read the texts that these entries name and nobody has asked for yet."""
        known = self._known()
        missing = {
            text_id
            for row in rows
            for text_id in (
                row.url_id,
                row.referrer_id,
                row.agent_id,
                row.campaign_id,
                row.place_id,
                row.screen_id,
                row.title_id,
                row.reason_id,
            )
            if text_id is not None and text_id not in known
        }
        await self._read(reader, missing)

    async def prepare_happened(self, reader: Reader, rows: Iterable[Row]) -> None:
        """The same for rows of `Happened`."""
        known = self._known()
        missing = {i for row in rows for i in row[_TEXTS] if i is not None and i not in known}
        await self._read(reader, missing)

    async def _read(self, reader: Reader, missing: set[int]) -> None:
        if missing:
            found = await entries.texts(reader, self.site.site_id, sorted(missing))
            self.texts.update(found)
            self._length += sum(map(len, found.values()))

    def _known(self) -> dict[int, str]:
        many = max(len(self.texts), len(self._arrivals)) > REMEMBERED
        if many or self._length > REMEMBERED_LENGTH:
            self.texts.clear()
            self._length = 0
            self._pages.clear()
            self._arrivals.clear()
            self._agents.clear()
            self._places.clear()
            self._languages.clear()
        return self.texts

    def text(self, text_id: int | None) -> str:
        return self.texts.get(text_id, "") if text_id is not None else ""

    def page(self, url_id: int | None) -> Page:
        if url_id is None:
            return NO_PAGE
        found = self._pages.get(url_id)
        if found is None:
            url = self.text(url_id)
            settings = self.site.settings
            key = page_key(url, settings.page_key)
            found = Page(key, groups_of(key.partition("?")[0], settings.page_groups), host_of(url))
            self._pages[url_id] = found
        return found

    def _arrived(self, row: Entry | Happened) -> Arrived:
        host = self.page(row.url_id).host
        key = (host, row.referrer_id, row.campaign_id)
        found = self._arrivals.get(key)
        if found is None:
            referrer, campaign = self.text(row.referrer_id), self.text(row.campaign_id)
            touch = touch_of(host, referrer, campaign, self.site.settings.own_hosts)
            found = self._arrivals[key] = Arrived(*touch, host_of(referrer), _utm(campaign))
        return found

    def _agent(self, agent_id: int | None) -> tuple[str, str, str]:
        """Device, browser and system."""
        found = self._agents.get(agent_id)
        if found is None:
            agent = self.agents.read(self.text(agent_id)) if agent_id is not None else None
            found = (agent.device, agent.browser, agent.os) if agent else ("", "", "")
            self._agents[agent_id] = found
        return found

    def _place(self, place_id: int | None) -> tuple[str, str]:
        """Country and company."""
        found = self._places.get(place_id)
        if found is None:
            place = _json.decode(self.text(place_id) or "{}")
            found = self._places[place_id] = (place.get("country", ""), place.get("company", ""))
        return found

    def _language(self, screen_id: int | None) -> str:
        found = self._languages.get(screen_id)
        if found is None:
            screen = _json.decode(self.text(screen_id) or "{}")
            found = self._languages[screen_id] = str(screen.get("l", ""))
        return found

    def see(self, row: Entry) -> Seen:
        """One event in words."""
        page = self.page(row.url_id)
        arrived = self._arrived(row) if row.kind == Kind.PAGE_VIEW else NOWHERE
        device, browser, system = self._agent(row.agent_id)
        country, company = self._place(row.place_id)
        return Seen(
            seq=row.seq,
            at=row.at,
            event_id=row.event_id,
            kind=KINDS[row.kind],
            visitor_id=row.visitor_id or 0,
            q=row.q,
            page=page.page,
            groups=page.groups,
            source=arrived.source,
            medium=arrived.medium,
            campaign=arrived.campaign,
            channel=arrived.channel,
            external=arrived.external,
            referrer=arrived.referrer,
            utm=arrived.utm,
            country=country,
            company=company,
            device=device,
            browser=browser,
            os=system,
            language=self._language(row.screen_id),
            page_view=row.page_view,
            flags=row.flags,
            consent=CONSENTS[row.consent],
            level=LEVELS.get(row.door, Level.CLAIMED),
            door=DOORS[row.door],
            class_=self.classes.of(row),
            data=_json.decode(row.data) if row.data else {},
        )

    def see_happened(self, row: Happened) -> Seen:
        """One event in words, as far as rules ask about it."""
        page = self.page(row.url_id)
        arrived = self._arrived(row) if row.kind == Kind.PAGE_VIEW else NOWHERE
        return Seen(
            seq=row.seq,
            at=row.at or 0,
            event_id=row.event_id,
            kind=KINDS[row.kind] if row.kind else Kind.ERASED,
            visitor_id=row.visitor_id or 0,
            q=row.q,
            page=page.page,
            groups=page.groups,
            source=arrived.source,
            medium=arrived.medium,
            campaign=arrived.campaign,
            channel=arrived.channel,
            page_view=row.page_view,
            data=_json.decode(row.data) if row.data else {},
        )

    def see_all(self, rows: Sequence[Entry]) -> Iterator[Seen]:
        """The events among entries, and what is left of claims that were erased."""
        return (
            self.see(row) if row.kind else _forgotten(row)
            for row in rows
            if row.kind < Kind.SITE_CREATED and (row.kind or row.visitor_id)
        )


def _forgotten(row: Entry) -> Seen:
    """An erased claim: nothing is known but that another person was on this visitor then."""
    return Seen(
        seq=row.seq,
        at=row.at or 0,
        event_id=row.event_id,
        kind=Kind.ERASED,
        visitor_id=row.visitor_id or 0,
    )


def _remembered(function: Callable[[str], Any]) -> Callable[[str], Any]:
    """A bounded memory for a function of an interned text."""
    memory: dict[str, Any] = {}

    def remembered(text: str) -> Any:
        found = memory.get(text)
        if found is None:
            if len(memory) > 10_000:
                memory.clear()
            found = memory[text] = function(text)
        return found

    return remembered


@_remembered
def _utm(campaign: str) -> str:
    """The campaign without its click id: a new click under the same tuple is no new campaign."""
    if not campaign:
        return ""
    marks = _json.decode(campaign)
    marks.pop("click", None)
    return msgspec.json.encode(marks, order="sorted").decode() if marks else ""
