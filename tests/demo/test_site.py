"""The demo site: every page carries the tag, every link leads somewhere, forms lead to thanks."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from server.demo import content, forms
from server.demo.policy import content_security_policy
from server.demo.site import LARGEST_BODY, demo_site

TAG = '<script async src="http://tracker.example:8000/h/k1.js"></script>'
DASHBOARD = "http://tracker.example:8000/"
GOOD = {
    "name": "Ada Loaf",
    "email": "ada@mill.example",
    "company": "Mill",
    "message": "Hello",
    "consent": "yes",
}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}'


@pytest.fixture
def site() -> Iterator[TestClient]:
    with TestClient(demo_site(TAG, DASHBOARD), follow_redirects=False) as client:
        yield client


class Reader(HTMLParser):
    """The addresses a page leads to or loads, its ids, and what labels what."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.controls: list[dict[str, str | None]] = []
        self.forms: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [v for k in ("href", "src", "action") if (v := found.get(k))]
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "label":
            self.labels.add(str(found.get("for")))
        if tag in ("input", "textarea") and found.get("type") != "checkbox":
            self.controls.append(found)
        if tag == "form":
            self.forms.append(found)


@pytest.mark.parametrize("page", content.PAGES, ids=lambda page: page.path)
def test_page_renders_with_the_tag_in_its_head(site: TestClient, page: content.Page) -> None:
    """Each page answers 200 as HTML with its title, the tag, and a link to the dashboard."""
    answer = site.get(page.path)
    assert answer.status_code == 200
    head, _, body = answer.text.partition("</head>")
    assert TAG in head
    assert f"<title>{page.full_title}</title>" in head
    assert DASHBOARD in body
    assert body.count("<h1") == 1


@pytest.mark.parametrize("page", content.PAGES, ids=lambda page: page.path)
def test_page_is_sound(site: TestClient, page: content.Page) -> None:
    """Ids are unique, every control has a label, nothing is styled or scripted inline."""
    text = site.get(page.path).text
    read = Reader(text)
    assert len(read.ids) == len(set(read.ids))
    for control in read.controls:
        assert control.get("id") in read.labels
    for form in read.forms:
        assert form["id"] == form["name"]
        assert form["id"] in forms.BY_KEY
    assert not re.search(r"\sstyle=|\son\w+=|javascript:", text)


def test_every_internal_link_resolves(site: TestClient) -> None:
    """A crawl from the front page meets every page but the thank-you ones, and no dead end."""
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = site.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            links = Reader(answer.text).links
            outside = [link for link in links if not link.startswith(("/", "#"))]
            assert set(outside) <= {DASHBOARD, "http://tracker.example:8000/h/k1.js"}
            waiting += [link for link in links if link.startswith("/")]
    reachable = {page.path for page in content.PAGES if page not in content.THANKS}
    assert reachable - {"/newsletter"} <= seen


def test_what_is_loaded_comes_from_the_site_itself(site: TestClient) -> None:
    """The stylesheet names only files that are there, and no other host."""
    style = site.get("/assets/site.css").text
    named = re.findall(r'url\("([^"]+)"\)', style)
    assert named
    assert all(site.get(f"/assets/{name}").status_code == 200 for name in named)
    assert "http" not in style
    assert "@import" not in style


def test_workbook_is_a_pdf(site: TestClient) -> None:
    """The gated download is a real file, small, and linked from the thank-you page."""
    assert f"/assets/{content.EBOOK_FILE}" in site.get("/thanks/ebook").text
    answer = site.get(f"/assets/{content.EBOOK_FILE}")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert len(answer.content) < 150_000


@pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: form.key)
def test_form_leads_to_its_thanks(site: TestClient, form: forms.Form) -> None:
    """A complete form is answered 303, and the thank-you page says so without the answers."""
    sent = {name: GOOD[name] for name in form.field_names if name in GOOD}
    answer = site.post(form.action, data=sent)
    assert answer.status_code == 303
    assert answer.headers["location"] == form.thanks
    assert "Ada" not in site.get(form.thanks).text


@pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: form.key)
def test_form_asks_again(site: TestClient, form: forms.Form) -> None:
    """An empty form comes back with a sentence beside each missing answer."""
    answer = site.post(form.action, data={})
    assert answer.status_code == 422
    missing = [asked for asked in form.fields if asked.required]
    assert answer.text.count('aria-invalid="true"') == len(missing)
    assert TAG in answer.text


@pytest.mark.parametrize("wrong", ["ada", "ada@", "@mill.example", "ada@mill", "a da@mill.example"])
def test_bad_address_is_told(site: TestClient, wrong: str) -> None:
    """The browser checks addresses too, but not every browser sends what it checked."""
    answer = site.post("/newsletter", data={"email": wrong})
    assert answer.status_code == 422
    assert "does not look like an e-mail address" in answer.text


@pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: form.key)
def test_hostile_answers_come_back_as_text(site: TestClient, form: forms.Form) -> None:
    """What was typed is shown again, escaped, wherever it is shown."""
    answer = site.post(form.action, data=dict.fromkeys(form.field_names, HOSTILE))
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "{{ 7*7 }}" in answer.text


def test_broken_bodies_are_answered(site: TestClient) -> None:
    """Bytes that are no text ask again; a body larger than any form is refused."""
    assert site.post("/demo", content=b"email=%ff%fe&name=\xff").status_code == 422
    assert site.post("/demo", content=b"a" * (LARGEST_BODY + 1)).status_code == 413


def test_unknown_page_says_nothing_of_its_address(site: TestClient) -> None:
    """404 is a page of the site too, tag included; other methods are refused."""
    answer = site.get("/nowhere/<script>alert(1)</script>")
    assert answer.status_code == 404
    assert "Nothing on this shelf" in answer.text
    assert "alert(1)" not in answer.text
    assert site.get("/assets/../site.py").status_code == 404
    assert site.post("/pricing").status_code == 405


def test_dashboard_address_is_escaped() -> None:
    """Only the tag reaches a page as markup."""
    client = TestClient(demo_site("", 'http://x.example/"><script>1</script>'))
    assert "<script>1" not in client.get("/").text


def test_policy_lets_only_the_tag_in(site: TestClient) -> None:
    """Every answer, files and errors included, has the policy."""
    for path in ("/", "/nowhere", "/assets/site.css"):
        policy = site.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src http://tracker.example:8000;" in policy
        assert "connect-src http://tracker.example:8000;" in policy
        assert "unsafe" not in policy
        assert site.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("tag", "origin", "expected"),
    [
        ("", "", "script-src 'none'; connect-src 'none'"),
        (TAG, "https://own.example", "script-src https://own.example; connect-src https://own."),
        ('<script src="/h/k.js"></script>', "", "script-src 'self'; connect-src 'self'"),
        ('<script src="//t.example/h.js"></script>', "", "script-src t.example;"),
        ('<script src="javascript:1"></script>', "", "script-src 'none'"),
        (
            "<script>let a</script>" + TAG,
            "",
            "script-src http://tracker.example:8000 "
            "'sha256-IfEXP/8HLuXoAiy0hZVrCAcjcLsZqYFpLOHDGj8enqE='",
        ),
    ],
)
def test_policy_follows_the_tag(tag: str, origin: str, expected: str) -> None:
    """The tag's origin by its address, its inline stub by its hash, nothing else."""
    assert expected in content_security_policy(tag, origin)
