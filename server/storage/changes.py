"""How often anything was changed that every node keeps in memory: sites, their settings, keys and
secrets, the generation and the ruleset in force, and tokens.

Each such change raises a number of its site in its own transaction; the sum only grows.
"""

from server.storage.database import Query, Reader, Script

#: Belongs into every UPDATE of a site that others must know of.
RAISED = "changes = changes + 1"


def changed(site_id: int) -> Script[None]:
    """Something else of the site was changed, such as a token."""
    yield Query(f"UPDATE sites SET {RAISED} WHERE site_id = $1", (site_id,))


async def number(reader: Reader) -> int:
    """Of all sites; the same as before as long as nothing was changed."""
    rows = await reader.fetch("SELECT coalesce(sum(changes), 0) FROM sites")
    return int(rows[0][0])
