"""What people become is told where they are looked after, told as stories, on both databases."""

from pathlib import Path

import pytest

from tests.engines import Place
from tests.tell.desk import BASE, Desk, opened_desk
from tests.tell.receivers import until

pytestmark = pytest.mark.anyio


async def test_a_rep_hears_of_an_mql_and_that_it_was_a_robot(place: Place, tmp_path: Path) -> None:
    """Prices, then the demo form: the CRM and the rep hear of it at once, with the receipt. Later
    the visitor turns out to be a robot, and both hear that too."""
    async with opened_desk(place, tmp_path) as desk:
        made = await desk.webhook(name="CRM")
        await desk.mail("olga@acme.example")
        await desk.becomes_mql("ann", title="VP of Marketing")
        await until(lambda: len(desk.receiver.got) == 2 and len(desk.post.got) == 1)

        crossed, moved = desk.receiver.got
        assert crossed.json["type"] == "person.threshold_crossed"
        assert moved.json["type"] == "person.stage_moved"
        assert crossed.signed_by(made["secret"])
        assert moved.signed_by(made["secret"])
        told = crossed.json["data"]
        person = told["person"]
        assert (person["name"], person["email"]) == ("Ann Example", "ann@brew.example")
        assert (person["company"], person["stage"]) == ("Brew", "mql")
        assert person["url"] == f"{BASE}/people/{person['id']}"
        assert sum(line["points"] for line in told["receipt"]) == told["score"] == 90
        reasons = {line["rule"]: line["label"] for line in told["receipt"]}
        assert reasons["demo_form"] == "Sent the demo or contact form"
        assert told["cause"]["kind"] == "form_submit"
        assert [page["path"] for page in told["pages"]] == ["/pricing"]
        assert (told["from"], told["to"], told["threshold_points"]) == ("lead", "mql", 50)

        mail = desk.post.got[0]
        assert mail.to == ["olga@acme.example"]
        assert mail.message["Subject"] == "Ann Example (Brew) is an MQL: 90 points"
        for kind in ("plain", "html"):
            text = mail.part(kind)
            assert "Sent the demo or contact form" in text
            assert "+40" in text
            assert "/pricing" in text
            assert person["url"] in text

        await taken_back(desk, person["id"])
        await until(lambda: len(desk.receiver.got) == 4 and len(desk.post.got) == 2)
        back = [one.json for one in desk.receiver.got[2:]]
        assert {one["type"] for one in back} == {"person.retracted"}
        assert {one["data"]["retracts"] for one in back} == {
            crossed.json["data"]["id"],
            moved.json["data"]["id"],
        }
        assert back[0]["data"]["person"] == {"id": person["id"], "email": "ann@brew.example"}
        subject = desk.post.got[1].message["Subject"]
        assert subject == "Taken back: ann@brew.example is not an MQL after all"


async def taken_back(desk: Desk, person: str) -> None:
    await desk.ask("POST", f"/people/{person}/classify", {"class": "bot", "reason": "a robot"})
    await desk.world.project()
