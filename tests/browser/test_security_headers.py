"""Checklist L: pages with strict policies, and what a site says about where its tag may stand."""

import base64
import hashlib

import httpx2
import pytest
from playwright.sync_api import Page, Response

from server.web.widget import pinned
from tests.browser.conftest import Lab
from tests.browser.host import Page as Plain

VIOLATIONS = """window.violations = [];
addEventListener('securitypolicyviolation', (one) => violations.push(one.violatedDirective));"""
HERE = "{here}"
POLICIES = {
    "130": "script-src 'nonce-n1' 'strict-dynamic'; connect-src {here}",
    "131": "script-src 'nonce-n1'; connect-src {here}",
    "132": "script-src {here}; connect-src {here}",
    "133": "style-src 'none'; script-src {here}",
    "134": "require-trusted-types-for 'script'; trusted-types 'none'",
    "135": "default-src 'none'; script-src {here}; connect-src {here}",
}


def policed(lab: Lab, headers: dict[str, str]) -> Page:
    """A page with these headers; nothing is allowed to it by the test itself."""
    lab.host.tag = f'<script async nonce="n1" src="{lab.script}"></script>'
    lab.host.page("/", "<h1>page</h1>", headers=headers)
    lab.context.add_init_script(VIOLATIONS)
    page = lab.new_page()
    page.goto(lab.host.origin)
    return page


def is_chunk(response: Response) -> bool:
    return "/h/c." in response.url


@pytest.mark.parametrize("number", POLICIES)
def test_130_131_132_133_134_135_a_strict_policy_is_kept(lab: Lab, number: str) -> None:
    policy = POLICIES[number].replace(HERE, lab.tracker.base)
    page = policed(lab, {"Content-Security-Policy": policy})
    assert len(lab.rows("page_view")) == 1
    assert page.evaluate("violations") == []


def test_136_a_page_that_embeds_only_what_agrees_may_embed_the_widget(lab: Lab) -> None:
    headers = {
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    lab.configure({"links": True})  # its click is told by the second file
    with lab.context.expect_event("response", is_chunk) as got:
        page = policed(lab, headers)
    assert got.value.headers["cross-origin-resource-policy"] == "cross-origin"
    assert len(lab.rows("page_view")) == 1
    assert page.evaluate("crossOriginIsolated") is True
    page.evaluate(
        """() => {
          document.body.innerHTML = '<a href="https://elsewhere.example/x">out</a>';
          onclick = (event) => event.preventDefault();
        }"""
    )
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some(one => /.h.c[.]/.test(one.name))"
    )
    page.click("a")
    assert lab.row("click")["data"]["href"] == "https://elsewhere.example/x"


@pytest.mark.parametrize("genuine", [True, False], ids=["the file", "another file"])
def test_137_the_plain_file_can_be_pinned_by_its_hash(lab: Lab, genuine: bool) -> None:
    """Under a name of its own, that of its text: the tag is the one of the page Install."""
    name, integrity = pinned()
    answer = httpx2.get(f"{lab.tracker.base}/h/{name}")
    assert answer.content == httpx2.get(lab.tracker.base + "/h.js").content
    assert "immutable" in answer.headers["cache-control"]
    assert httpx2.get(f"{lab.tracker.base}/h/h.0123456789ab.js").status_code == 404
    digest = hashlib.sha384(answer.content + (b"" if genuine else b" ")).digest()
    pin = f"sha384-{base64.b64encode(digest).decode()}"
    assert (pin == integrity) is genuine
    lab.host.pages["/"] = Plain(
        f'<script src="{lab.tracker.base}/h/{name}" data-key="{lab.site.keys[0]}"'
        f' integrity="{pin}" crossorigin></script><h1>page</h1>'
    )
    page = lab.new_page()
    page.goto(lab.host.origin)
    assert page.evaluate("!!window.handraise") is genuine
    assert len(lab.rows("page_view")) == 1 if genuine else lab.requests == []


def test_140_a_page_of_another_origin_is_refused_by_name(lab: Lab) -> None:
    lab.configure(origins=("https://shop.example",))
    page = lab.new_page()
    with page.expect_response("**/e") as got:
        page.goto(lab.host.origin)
    assert got.value.status == 202
    assert "origin" in got.value.headers["handraise-dropped"]
    assert lab.tracker.read(lab.site) == []
