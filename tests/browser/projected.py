"""What the server makes of the stored events, once all of them are projected."""

from tests.browser.watched import Watched


def sessions(lab: Watched) -> int:
    """How many sessions the site has."""
    state, site_id = lab.tracker.app.state, lab.site.site_id

    async def count() -> int:
        head = await state.database.fetch("SELECT seq FROM heads WHERE site_id = $1", site_id)
        await state.projector.passed(site_id, head[0][0])
        rows = await state.database.fetch(
            "SELECT session_id FROM sessions WHERE site_id = $1", site_id
        )
        return len(rows)

    found: int = lab.tracker.do(count())
    return found
