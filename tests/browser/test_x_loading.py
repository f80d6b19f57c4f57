"""Checklist A and L in every engine: the tag, storage that throws, strict policies."""

import pytest

from tests.browser.conftest import Either

SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts"}
VIOLATIONS = """<script nonce="n1">window.violations = [];
addEventListener('securitypolicyviolation', (one) => violations.push(one.violatedDirective));
</script>"""
POLICIES = {
    "130": "script-src 'nonce-n1' 'strict-dynamic'; connect-src {here}",
    "134": "require-trusted-types-for 'script'; trusted-types 'none'",
}


@pytest.mark.parametrize("where", ["async", "defer", "at the end"])
def test_01_each_place_of_the_tag_is_one_row(either: Either, where: str) -> None:
    tag = f"<script src='{either.script}'></script>"
    either.host.tag = "" if where == "at the end" else tag.replace("<script", f"<script {where}")
    either.host.page("/", "<h1>page</h1>" + (tag if where == "at the end" else ""))
    page = either.visit("/")
    assert len(either.all_after(page, "page_view")) == 1


def test_09_in_a_sandbox_whose_storage_throws_events_arrive(either: Either) -> None:
    """A real one: the page is of no origin, and its cookies and storage throw by themselves."""
    either.host.page("/", headers=SANDBOX)
    page = either.visit("/")
    thrown = """() => ['localStorage', 'sessionStorage', 'cookie'].filter((name) => {
      try { return void (name in window ? window[name] : document[name]) } catch { return true }
    })"""
    assert page.evaluate(thrown) == ["localStorage", "sessionStorage", "cookie"]
    page.evaluate("handraise('track', 'still')")
    assert either.row("track")["visitor"] == either.row("page_view")["visitor"]


@pytest.mark.parametrize("number", POLICIES)
def test_130_134_a_strict_policy_is_kept(either: Either, number: str) -> None:
    policy = POLICIES[number].format(here=either.tracker.base)
    either.host.tag = f'{VIOLATIONS}<script async nonce="n1" src="{either.script}"></script>'
    either.host.page("/", "<h1>page</h1>", headers={"Content-Security-Policy": policy})
    either.page.go(either.host.origin)
    assert len(either.rows("page_view")) == 1
    assert either.page.evaluate("violations") == []
