"""Checklist 70 and 72: a consent manager that speaks TCF, and forms of who has not consented."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Lab
from tests.browser.test_consent import DNT, GPC, NOTHING, STORAGE

#: As managers leave it in the head: who listens is told now and at every change.
MANAGER = """<script>
  window.heard = [];
  window.tell = (given, eventStatus = 'useractioncomplete', more = {}) => {
    window.state = { eventStatus, gdprApplies: true, tcfPolicyVersion: 5,
      purpose: { consents: { 1: given } }, ...more };
    heard.forEach((take) => take(state, true));
  };
  window.__tcfapi = (command, version, take) => {
    if (command == 'addEventListener' && version == 2) heard.push(take), take(state, true);
  };
  tell(false, 'cmpuishown');
</script>"""


#: Milliseconds from the manager's word until the batch with the answer is on its way and the answer
#: is kept, by the page's own clock.
OBEYED = """(given) => new Promise((done) => {
  const began = performance.now();
  const word = given ? 'granted' : 'denied';
  const send = window.fetch;
  window.fetch = (address, options) => {
    if (options.body.includes(`"state":"${word}"`))
      setTimeout(() => {
        if (JSON.stringify(localStorage).includes(word)) done(performance.now() - began);
      });
    return send(address, options);
  };
  tell(given);
})"""


#: As managers tell it to who is asked nothing, where the law does not apply.
NOT_ASKED = """<script>
  window.heard = [1];
  window.__tcfapi = (_command, _version, take) =>
    take({ gdprApplies: false, eventStatus: 'tcloaded', tcfPolicyVersion: 5 }, true);
</script>"""


def managed(lab: Lab, head: str = MANAGER, mode: str = "on") -> Page:
    lab.configure({"tcf": True}, consent=mode)
    lab.host.page("/", "<h1>page</h1>", head=head)
    page = lab.visit("/")
    if head:
        page.wait_for_function("() => heard.length")
    return page


def test_70_nothing_is_sent_before_the_manager_has_an_answer(lab: Lab) -> None:
    page = managed(lab)
    page.evaluate("handraise('track', 'early')")
    assert page.evaluate(STORAGE) == NOTHING
    assert lab.sent() == []
    page.evaluate("tell(true, 'tcloaded')")
    view, consent = lab.row("page_view"), lab.row("consent")
    assert lab.row("track")["visitor"] == view["visitor"] == consent["visitor"]
    assert consent["data"] == {"state": "granted", "text": "tcf", "version": "5"}


def test_70_no_to_purpose_one_is_a_refusal_and_a_change_is_obeyed(lab: Lab) -> None:
    page = managed(lab)
    page.evaluate("tell(false)")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('denied')")
    assert lab.sent() == []
    assert page.evaluate(OBEYED, True) < 1_000
    visitor = lab.row("page_view")["visitor"]
    lab.rows("consent")
    assert page.evaluate(OBEYED, False) < 1_000
    page.evaluate("handraise('track', 'after')")
    states = [row["data"]["state"] for row in lab.rows("consent", 2)]
    assert states == ["granted", "denied"]
    kept = page.evaluate(STORAGE)
    assert "denied" in kept
    assert visitor not in kept
    assert lab.tracker.read(lab.site, "track") == []


def test_70_a_manager_that_comes_late_or_has_nothing_to_ask(lab: Lab) -> None:
    page = managed(lab, head="")
    script = NOT_ASKED.removeprefix("<script>").removesuffix("</script>")
    page.evaluate(f"() => {{ {script} }}")
    assert lab.row("page_view")["visitor"]


def test_70_where_nobody_is_asked_nobody_has_consented_and_visitors_are_known(lab: Lab) -> None:
    page = managed(lab, NOT_ASKED)
    lab.rows("page_view")
    page.evaluate("handraise('track', 'x')")
    lab.rows("track")
    lab.visit("/", page)
    views = lab.rows("page_view", 2)
    assert len({row["visitor"] for row in views}) == 1
    assert [row["flags"] & 1 for row in views] == [1, 0]
    assert {request.batch["c"] for request in lab.requests} == {""}
    assert lab.all_after(page, "consent") == []
    assert "granted" not in page.evaluate(STORAGE)
    page.evaluate("handraise('consent', false)")
    assert lab.row("consent")["data"]["state"] == "denied"


def test_64_70_somebody_else_begins_anew_while_the_manager_is_waited_for(lab: Lab) -> None:
    page = managed(lab, NOT_ASKED)
    ann = lab.row("page_view")["visitor"]
    page.evaluate("handraise('identify', { email: 'ann@brew.example' })")
    lab.rows("identify")
    page.goto(lab.host.origin + "/two")
    lab.settle(page)
    page.evaluate("handraise('identify', { email: 'bob@brew.example' })")
    page.evaluate("handraise('track', 'as bob')")
    script = NOT_ASKED.removeprefix("<script>").removesuffix("</script>")
    page.evaluate(f"() => {{ {script} }}")
    bob = lab.row("track")["visitor"]
    assert lab.rows("identify", 2)[1]["visitor"] == bob != ann
    page.evaluate("handraise('track', 'still bob')")
    assert lab.rows("track", 2)[1]["visitor"] == bob
    assert ann not in page.evaluate(STORAGE)


def test_70_what_could_not_be_sent_waits_for_the_next_page(lab: Lab) -> None:
    lab.gate.answers.extend([503] * 20)
    page = managed(lab, NOT_ASKED)
    page.evaluate("handraise('track', 'kept')")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('kept')")
    lab.until(lambda: lab.requests)
    page.goto(lab.host.origin + "/none.txt")
    lab.gate.answers.clear()
    lab.visit("/", page)
    assert lab.row("track")["data"]["name"] == "kept"


@pytest.mark.parametrize("objection", [GPC, DNT], ids=["GPC", "DNT"])
def test_68_70_an_objection_counts_also_where_nobody_is_asked(lab: Lab, objection: str) -> None:
    lab.context.add_init_script(objection)
    page = managed(lab, NOT_ASKED)
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some(one => /.h.c[.]/.test(one.name))"
    )
    page.evaluate("handraise('track', 'x')")
    lab.visit("/next", page)  # whatever is left to send goes when the page is left
    assert lab.sent() == []
    assert page.evaluate(STORAGE) == NOTHING


@pytest.mark.parametrize("mode", ["ask", "off"])
def test_70_a_site_that_asks_by_itself_goes_on_asking(lab: Lab, mode: str) -> None:
    page = managed(lab, NOT_ASKED, mode)
    page.evaluate("handraise('track', 'x')")
    if mode == "ask":
        lab.rows("track")
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some(one => /.h.c[.]/.test(one.name))"
    )
    lab.visit("/next", page)
    assert {event["d"].get("name") for event in lab.sent()} >= ({"x"} if mode == "ask" else set())
    assert (lab.sent() == []) == (mode == "off")
    assert page.evaluate(STORAGE) == NOTHING


def test_70_without_the_part_that_asks_there_is_no_answer(lab: Lab) -> None:
    """A page's policy may forbid the second file: then everything waits, and a form goes alone."""
    lab.configure({"tcf": True})
    lab.context.route("**/h/c.*.js", lambda route: route.abort())
    lab.host.page("/", FORM, head=NOT_ASKED)
    page = lab.visit("/")
    page.evaluate("handraise('track', 'x')")
    page.fill("[name=email]", "ann@brew.example")
    page.click("button")
    assert lab.row("form_submit")["visitor"] == ""
    assert [event["y"] for event in lab.sent()] == ["form_submit"]
    assert page.evaluate(STORAGE) == NOTHING
    page.evaluate("handraise('consent', true)")
    assert lab.row("page_view")["visitor"] == lab.row("track")["visitor"] != ""


FORM = """<form id="contact" onsubmit="return false">
  <input name="email" type="email"><button>Send</button></form>"""


@pytest.mark.parametrize("mode", ["on", "ask", "off"])
def test_72_a_form_without_consent_is_stored_alone_with_its_proof(lab: Lab, mode: str) -> None:
    lab.configure(consent=mode)
    lab.host.page(
        "/",
        '<form id="contact" data-consent-version="2026-11"><input name="email" type="email">'
        '<label><input type="checkbox" name="terms"> I agree to be called</label>'
        "<button>Send</button></form>",
    )
    page = lab.visit("/")
    page.evaluate("handraise('consent', false)")
    page.evaluate("document.forms[0].onsubmit = () => false")
    page.fill("[name=email]", "ann@brew.example")
    page.check("[name=terms]")
    page.click("button")
    form = lab.row("form_submit")
    assert form.form["email"] == "ann@brew.example"
    proof = form["data"]["consent"]
    assert (proof["ticked"], proof["version"]) == (["terms"], "2026-11")
    assert proof["text"]
    assert (form["visitor"], form["tab"], form["page_view"], form["screen"]) == ("", None, "", {})
    after = [row["kind"] for row in lab.tracker.read(lab.site) if row["seq"] >= form["seq"]]
    assert after == ["form_submit"]
    kept = page.evaluate(STORAGE)
    assert kept.count('"') == NOTHING.count('"') + 4, "the word denied, under one name"
    assert "ann@" not in kept
