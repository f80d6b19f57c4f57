"""What a form field is, by its name and kind, in the languages forms are written in.

Names are compared as their words, in lower case and without accents, so that `your-email`,
`E-Mail-Adresse` and `billing[email]` are one thing, and `company` never is what `company_size` is.
"""

from functools import lru_cache
from itertools import pairwise

from server.ingest.private import is_secret_name, vocabulary, words_of

EMAIL, PHONE, NAME, FIRST, LAST, COMPANY, TITLE, USER_ID = (
    "email", "phone", "name", "first_name", "last_name", "company", "title", "user_id",
)  # fmt: skip
#: What an unknown form may keep (settled: Forms).
CONTACT = frozenset({EMAIL, PHONE, NAME, FIRST, LAST, COMPANY, TITLE})

#: HTML types and autocomplete tokens that say what a field is whatever it is called.
_KINDS = {
    "email": EMAIL, "tel": PHONE, "tel-national": PHONE, "name": NAME, "given-name": FIRST,
    "family-name": LAST, "organization": COMPANY, "organization-title": TITLE,
}  # fmt: skip
_PRIVATE_KINDS = vocabulary(
    "password hidden file current-password new-password one-time-code transaction-amount"
)
_MEANINGS = {
    word: meaning
    for meaning, words in (
        (
            FIRST,
            "firstname fname givenname forename vorname prenom voornaam imie fornamn fornavn "
            "etunimi primernombre primeironome first given nombrepila keresztnev jmeno",
        ),
        (
            LAST,
            "lastname lname surname familyname nachname familienname nomdefamille nomfamille "
            "apellido apellidos cognome sobrenome apelido achternaam nazwisko efternamn etternavn "
            "efternavn sukunimi last secondname prijmeni zuname",
        ),
        (
            NAME,
            "name fullname nom nombre nome naam namn navn nimi nomcomplet nombrecompleto "
            "nomecompleto nombreapellidos vollername ansprechpartner imieinazwisko "
            "vorundnachname firstandlastname firstlastname namefull nomprenom vornamenachname",
        ),
        (
            COMPANY,
            "company companyname organization organisation organizationname organisationname "
            "firma firmenname firmaname unternehmen unternehmensname societe entreprise "
            "nomentreprise nomsociete raisonsociale empresa nombreempresa nomeempresa azienda "
            "ragionesociale societa bedrijf bedrijfsnaam foretag virksomhed yritys business "
            "businessname employer org orgname organizacion organizzazione organisatie nazwafirmy",
        ),
        (
            TITLE,
            "title jobtitle job jobrole role position funktion fonction funcao funzione poste "
            "cargo puesto ruolo functie functietitel stelle berufsbezeichnung beruf profession "
            "occupation titredeposte intituledeposte stanowisko jobposition worktitle rolle",
        ),
        (USER_ID, "userid customerid kundennummer"),
    )
    for word in words.split()
}
#: What qualifies a lead, by BANT and MEDDIC. `need` and `identify_pain` are close, and both named.
_QUALIFYING = {
    word: meaning
    for meaning, words in (
        (
            "budget",
            "budget budgetrange estimatedbudget projectbudget availablebudget budgetrahmen "
            "presupuesto orcamento begroting budzet",
        ),
        (
            "authority",
            "authority decisionmaker areyouthedecisionmaker buyingrole entscheider "
            "entscheidungstrager decideur decisor decisore beslisser",
        ),
        ("need", "need needs bedarf besoin besoins necesidad necesidades necessidade behoefte"),
        (
            "timeframe",
            "timeframe timeline timescale timing projectstart startdate purchasetimeframe "
            "zeitrahmen zeitplan startzeitpunkt delai echeance plazo prazo tempistica "
            "tempistiche termijn",
        ),
        ("metrics", "metrics kpi kpis successmetrics kennzahlen indicateurs"),
        ("economic_buyer", "economicbuyer budgetowner budgetholder budgetverantwortlicher"),
        (
            "decision_criteria",
            "decisioncriteria criteria buyingcriteria entscheidungskriterien kriterien",
        ),
        (
            "decision_process",
            "decisionprocess buyingprocess purchaseprocess purchasingprocess entscheidungsprozess "
            "kaufprozess",
        ),
        (
            "identify_pain",
            "identifypain pain pains painpoint painpoints challenge challenges biggestchallenge "
            "mainchallenge herausforderung herausforderungen",
        ),
        ("champion", "champion internalchampion sponsor internalsponsor"),
    )
    for word in words.split()
}
_EMAIL_WORDS = vocabulary("email mail emailaddress mailaddress courriel correo mailadresse epost")
_EMAIL_ENDS = ("email", "emailaddress", "emailadresse")
_PHONE_WORDS = vocabulary(
    "phone phonenumber telephone tel telefon telefonnummer telefono telefone telnr mobile mobil "
    "mobilnummer mobiltelefon cell cellphone handy handynummer movil celular portable fon whatsapp "
    "telefoonnummer telefoon puhelin puhelinnumero telephonenumber mobilephone numtel"
)
#: Words that turn an address or a number into something else, or into somebody else's.
_OTHER = vocabulary(
    "friend friends freund freunde ami amis amigo recipient empfanger destinataire colleague "
    "kollege referral referrer cc bcc optin optout consent subscribe newsletter preference "
    "preferences preferred frequency type country prefix extension ext code fax agree permission "
    "template"
)
_NOISE = vocabulary(
    "your my the form field fields input contact lead customer person attributes properties data "
    "ihr ihre dein votre tu su seu wpforms hs mce cf text please enter x kontakt personal work"
)
_MESSAGES = vocabulary(
    "message messages comment comments nachricht mitteilung mensaje mensagem messaggio bericht "
    "kommentar commentaire comentario comentarios comentarios details description beschreibung "
    "question questions frage inquiry enquiry anfrage bemerkung bemerkungen notes note body "
    "feedback text textarea anliegen demande project brief wiadomosc meddelande besked viesti"
)
_PRIVATE_WORDS = vocabulary(
    "pass passwd card cc ccnum ccnumber cvv cvv2 cvc cvc2 csc ccv ssn iban otp pin pw captcha "
    "recaptcha hcaptcha turnstile creditcard cardnumber cardno cardexp cardcvc cardcvv kreditkarte "
    "kartennummer kartenpruefnummer cartebancaire tarjeta numerocarte mfa totp passport "
    "accountnumber routingnumber kontonummer securitycode viewstate "
)
_PRIVATE_PAIRS = (
    ("social", "security"), ("account", "number"), ("routing", "number"), ("security", "code"),
    ("credit", "card"), ("exp", "month"), ("exp", "year"), ("sort", "code"), ("tax", "id"),
    ("national", "id"), ("one", "time"),
)  # fmt: skip


@lru_cache(maxsize=2_048)
def meaning_of(name: str, kind: str) -> str:
    """Which contact field this is (`email`, `first_name`, …), or empty. Names ≤ 100 characters."""
    words = words_of(name)
    if not _OTHER.isdisjoint(words):
        return ""
    known = _KINDS.get(kind)
    if known:
        return known
    if any(word in _EMAIL_WORDS or word.endswith(_EMAIL_ENDS) for word in words):
        return EMAIL
    if not _PHONE_WORDS.isdisjoint(words):
        return PHONE
    return _MEANINGS.get("".join(word for word in words if word not in _NOISE), "")


@lru_cache(maxsize=2_048)
def qualifying(name: str) -> str:
    """Which BANT or MEDDIC trait a field of this name gives, or empty. Names ≤ 100 characters."""
    words = words_of(name)
    plain = _QUALIFYING.get("".join(words), "")
    return plain or _QUALIFYING.get("".join(word for word in words if word not in _NOISE), "")


@lru_cache(maxsize=2_048)
def is_private_field(name: str, kind: str) -> bool:
    """Whether a field must never be stored (widget item 86): passwords, cards, codes, tokens."""
    if kind in _PRIVATE_KINDS or kind.startswith("cc-") or is_secret_name(name):
        return True
    words = words_of(name)
    if not _PRIVATE_WORDS.isdisjoint(words) or "".join(words) in _PRIVATE_WORDS:
        return True
    return any(pair in _PRIVATE_PAIRS for pair in pairwise(words))


def is_message(name: str, kind: str) -> bool:
    """Whether a field is for free text and may be long (widget item 92)."""
    return kind == "textarea" or not _MESSAGES.isdisjoint(words_of(name))
