"""The made-up person of a test message."""

from server.model import Kind, Site
from server.reports.shapes import iso
from server.tell.news import Line, News, Page, Subjected

_MIN = 60_000
_PAGES = (("Pricing", "/pricing", 94_000, 88), ("How it works", "/product", 61_000, 75))
#: Rule, label, axis, points, and how many minutes ago.
_REASONS = (
    ("demo_form", "Sent the demo or contact form", "engagement", 40, 0),
    ("pricing_page", "Read the pricing page", "engagement", 10, 3),
    ("business_email", "Business e-mail", "fit", 10, 0),
    ("senior_title", "VP, head, director or C-level", "fit", 15, 0),
    ("deep_read", "Read a page to the end", "engagement", 2, 5),
)


def example(site: Site, now: int, url: str) -> News:
    """News as of somebody who became an MQL, marked as a test. `now` is ms."""
    return News(
        kind=Kind.CROSSED,
        id="e1",
        at=iso(now),
        site_id=str(site.site_id),
        site=site.name,
        zone=site.settings.zone,
        person=Subjected(
            id="p1",
            email="ann@brew.example",
            name="Ann Example",
            company="Brew",
            stage="mql",
            score=77,
            url=url,
        ),
        score=77,
        receipt=tuple(
            Line(
                rule=rule,
                label=label,
                axis=axis,
                points=worth,
                at=iso(now - ago * _MIN) if axis == "engagement" else None,
                event="e1" if axis == "engagement" else None,
            )
            for rule, label, axis, worth, ago in _REASONS
        ),
        threshold="mql",
        threshold_points=50,
        stage_from="lead",
        stage="mql",
        cause=Page(
            id="e1",
            at=iso(now),
            kind="form_submit",
            url="https://www.example.com/demo",
            path="/demo",
            title="Ask for a demo",
        ),
        pages=tuple(
            Page(
                id="e1",
                at=iso(now - (3 + 2 * place) * _MIN),
                kind="page_view",
                url=f"https://www.example.com{path}",
                path=path,
                title=title,
                ms=ms,
                scroll=scroll,
            )
            for place, (title, path, ms, scroll) in enumerate(_PAGES)
        ),
        test=True,
    )
