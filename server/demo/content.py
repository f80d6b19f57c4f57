"""What the demo site says and where: one table of pages, read by the site and by the journeys."""

from dataclasses import dataclass

COMPANY = "Ovenbird"
EBOOK_FILE = "the-overnight-bake.pdf"


@dataclass(frozen=True)
class Page:
    """One address of the site. `section` marks the entry of the menu it belongs to."""

    path: str
    template: str
    title: str
    description: str
    section: str = ""

    @property
    def full_title(self) -> str:
        return f"{self.title} · {COMPANY}"


@dataclass(frozen=True)
class Post(Page):
    """A page of the blog."""

    author: str = ""
    role: str = ""
    published: str = ""
    minutes: int = 5
    art: str = "loaf"


def _post(slug: str, title: str, description: str, **about: str | int) -> Post:
    minutes = int(about.pop("minutes"))
    words = {name: str(value) for name, value in about.items()}
    return Post(
        path=f"/blog/{slug}",
        template=f"blog/{slug}.html",
        title=title,
        description=description,
        section="blog",
        minutes=minutes,
        **words,
    )


POSTS = (
    _post(
        "the-3am-spreadsheet",
        "The 3 a.m. spreadsheet",
        "How one cell, dragged one row too far, became 240 brioche nobody had ordered.",
        author="Ines Moreau",
        role="Co-founder",
        published="12 November",
        minutes=4,
        art="ledger",
    ),
    _post(
        "plan-backwards-from-the-oven",
        "Plan backwards from the oven",
        "Mixers wait, people wait, vans wait. The oven does not. Start every plan there.",
        author="Tobias Lindqvist",
        role="Head of product",
        published="29 October",
        minutes=5,
        art="oven",
    ),
    _post(
        "the-order-after-the-cut-off",
        "The order that comes after the cut-off",
        "A café rings at ten past six. Three honest answers, and the one that costs you least.",
        author="Amara Osei",
        role="Customer success",
        published="15 October",
        minutes=4,
        art="clock",
    ),
    _post(
        "waste-under-four-per-cent",
        "Waste under four per cent",
        "Three wholesale bakeries, one winter, and the four habits that moved the number.",
        author="Ines Moreau",
        role="Co-founder",
        published="1 October",
        minutes=5,
        art="van",
    ),
)

DOCS = (
    Page(
        "/docs/first-week",
        "docs/first-week.html",
        "Your first week",
        "From an empty account to a bake plan your night shift trusts, a day at a time.",
        "docs",
    ),
    Page(
        "/docs/import-orders",
        "docs/import-orders.html",
        "Import your orders",
        "Standing orders, e-mail orders and the shop till: one list before the cut-off.",
        "docs",
    ),
    Page(
        "/docs/ovens-and-proofers",
        "docs/ovens-and-proofers.html",
        "Ovens and proofers",
        "Tell Ovenbird what fits where, and for how long.",
        "docs",
    ),
)

PLAIN_PAGES = (
    Page(
        "/",
        "home.html",
        "The overnight plan for wholesale bakeries",
        "Ovenbird turns tomorrow's orders into tonight's bake plan: what to mix, when to bake, "
        "which van it leaves on.",
    ),
    Page(
        "/product",
        "product.html",
        "Product",
        "Orders in by six, a plan by ten past, bread on the van by five.",
        "product",
    ),
    Page(
        "/pricing",
        "pricing.html",
        "Pricing",
        "One price per bakery, not per baker. Thirty nights free.",
        "pricing",
    ),
    Page("/docs", "docs/index.html", "Documentation", "Set up Ovenbird in a week.", "docs"),
    Page("/blog", "blog/index.html", "Blog", "Notes from the night shift.", "blog"),
    Page(
        "/demo",
        "demo.html",
        "Book a demo",
        "Thirty minutes with somebody who has worked a deck oven.",
        "demo",
    ),
    Page(
        "/ebook",
        "ebook.html",
        "The Overnight Bake",
        "A free planning workbook for wholesale bakeries.",
    ),
    Page(
        "/newsletter",
        "newsletter.html",
        "The Night Shift letter",
        "One letter on the second Tuesday of the month.",
    ),
    Page(
        "/careers",
        "careers.html",
        "Careers",
        "Work days on what helps people who work nights.",
        "careers",
    ),
    Page("/contact", "contact.html", "Contact", "A person answers, usually before noon."),
    Page("/privacy", "privacy.html", "Privacy", "What this site records, in plain words."),
)

THANKS = (
    Page("/thanks/demo", "thanks/demo.html", "Your demo is booked", "We will be in touch."),
    Page("/thanks/ebook", "thanks/ebook.html", "Your workbook is ready", "Download it here."),
    Page("/thanks/newsletter", "thanks/newsletter.html", "You are on the list", "See you soon."),
    Page("/thanks/contact", "thanks/contact.html", "Your message is here", "We will answer."),
)

PAGES: tuple[Page, ...] = (*PLAIN_PAGES, *DOCS, *POSTS, *THANKS)
BY_PATH = {page.path: page for page in PAGES}
NOT_FOUND = Page("", "404.html", "Page not found", "Nothing on this shelf.")
