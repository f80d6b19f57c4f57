"""The people of the demo. All are invented; their companies have reserved domains."""

from dataclasses import dataclass

#: Gmail allows no underscore in an address, so `first_last` at it can be nobody's mailbox.
FREE_MAIL = "gmail.com"

COMPANIES = (
    ("Quern & Daughters", "quern-daughters.example"),
    ("Saltmarsh Bread Co.", "saltmarsh-bread.example"),
    ("Northgate Foods", "northgate-foods.example"),
    ("Levain Republic", "levain-republic.example"),
    ("The Tin Whistle Bakery", "tin-whistle.example"),
    ("Harbour Row Patisserie", "harbour-row.example"),
    ("Hollis Brothers Mill", "hollis-mill.example"),
    ("Sunday Crust", "sunday-crust.example"),
    ("Alder & Rye", "alder-rye.example"),
    ("Brotwerk Süd", "brotwerk-sued.example"),
    ("Fournil des Quais", "fournil-quais.example"),
    ("Great Plains Bakers", "great-plains-bakers.example"),
)
#: The first three people work for the first company, then two and two, then one after another.
_SEATS = (0, 0, 0, 1, 1, 2, 2)

_FIRST = (
    "Bea", "Tomasz", "Priya", "Joss", "Nadia", "Elin", "Marcus", "Chiara", "Yusuf", "Greta",
    "Owen", "Amina", "Pavel", "Ruth", "Kenji", "Solveig", "Diego", "Hanna", "Femi", "Clara",
    "Idris", "Maeve", "Luca", "Anouk", "Stellan", "Rosa", "Caleb", "Ines", "Viktor", "Leila",
    "Arthur", "Wren",
)  # fmt: skip
_LAST = (
    "Thornbury", "Kowalski", "Raman", "Adeyemi", "Haddad", "Nyberg", "Bell", "Ferrante", "Demir",
    "Vogel", "Pritchard", "Diallo", "Novak", "Cohen", "Mori", "Lund", "Ortega", "Weiss", "Bankole",
    "Marchetti", "Rahman", "Quinn", "Romano", "Dubois", "Ek", "Delgado", "Whitlock", "Sousa",
    "Petrov", "Karimi", "Fairfax", "Okoro",
)  # fmt: skip
_TITLES = (
    "VP Operations", "Production planner", "Owner", "Night shift lead", "Head of Production",
    "Office manager", "Buyer", "Baker", "Bakery manager", "Finance assistant", "VP of Marketing",
    "Production assistant", "Sales", "Quality manager", "Director of Bakeries", "Miller",
)  # fmt: skip
_MESSAGES = (
    "We run two kitchens and plan in a spreadsheet. Can you import it?",
    "How long does it take until the night shift trusts the plan?",
    "Our rack oven and our deck oven never agree. Show us how you split the load.",
    "We deliver to nine hospitals. Is there a limit on standing orders?",
    "Could we see it with our own orders from last Thursday?",
    "What does the change look like for a team of twelve?",
)


@dataclass(frozen=True)
class Person:
    """Somebody who fills in a form, with the answers they give."""

    name: str
    email: str
    company: str
    job_title: str
    phone: str
    message: str

    def answer(self, field: str) -> str:
        """What this person types into a field of the site's forms."""
        return "yes" if field == "consent" else str(getattr(self, field))


def person(number: int) -> Person:
    """The person of this number: always the same one, never another one's address."""
    first = _FIRST[number % len(_FIRST)]
    last = _LAST[(number * 7 + number // len(_FIRST)) % len(_LAST)]
    seat = _SEATS[number] if number < len(_SEATS) else number % len(COMPANIES)
    company, domain = COMPANIES[seat]
    again = number // (len(_FIRST) * len(_LAST))
    local = f"{first}.{last}{again or ''}".lower()
    free = number % 6 == 5
    return Person(
        name=f"{first} {last}",
        email=f"{local.replace('.', '_')}@{FREE_MAIL}" if free else f"{local}@{domain}",
        company=company,
        job_title=_TITLES[number % len(_TITLES)],
        # 020 7946 0000 to 0999 is kept free for drama.
        phone=f"+44 20 7946 {number * 37 % 1000:04d}",
        message=_MESSAGES[number % len(_MESSAGES)],
    )
