"""The pages of scoring as a browser without scripts reads and sends them."""

import re
from typing import Any

import httpx2

from tests.office import Office

SITE = "?site=1"


async def seen(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    """A page as people read it: markup taken out, spaces as one."""
    answer = await client.get(path + ("&" if "?" in path else "?") + "site=1")
    assert answer.status_code == status, answer.text
    return words(answer.text)


def words(html: str) -> str:
    text = re.sub(r"<[^>]+>", " ", html.partition("<main")[2])
    return " ".join(text.replace("&#39;", "'").split())


async def send(client: httpx2.AsyncClient, path: str, /, **fields: Any) -> httpx2.Response:
    return await client.post(path + SITE, data=fields)


async def draft(office: Office) -> dict[str, Any]:
    found: dict[str, Any] = await office.json("/rules/draft")
    return found


async def begun(office: Office, client: httpx2.AsyncClient, start: str = "published") -> str:
    """A draft, by its revision."""
    answer = await send(client, "/scoring/draft", start=start)
    assert answer.status_code == 303, answer.text
    return str((await draft(office))["revision"])


def rule(document: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["rules"] if one["key"] == key)
    return found


def sent(html: str) -> dict[str, list[str]]:
    """The fields of the form as a browser would send them, without any script."""
    form = html[html.index('class="rule-form"') :].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if given.get("type") in {"checkbox", "radio"} and " checked" not in tag:
            continue
        found.setdefault(given["name"], []).append(plain(given.get("value", "")))
    for name, inside in re.findall(r'<textarea name="(\w+)"[^>]*>([^<]*)</textarea>', form):
        found.setdefault(name, []).append(plain(inside))
    for name, inside in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inside)
        chosen = [value for value, mark in options if mark] or [options[0][0]]
        found.setdefault(name, []).append(plain(chosen[0]))
    return found


def plain(text: str) -> str:
    for mark, letter in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&amp;", "&")):
        text = text.replace(mark, letter)
    return text
