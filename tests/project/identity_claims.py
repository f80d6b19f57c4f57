"""Stories of what a claim is worth: quarantine, several names of one person, links in mails."""

from collections.abc import Mapping

from server.model import Door
from tests.project.told import (
    DAY,
    HOUR,
    KNOWN,
    MIN,
    PROVEN_ON_LAPTOP,
    SECOND,
    STRANGER,
    Row,
    accept,
    api,
    click,
    confirm,
    form,
    login,
    mail,
    refuse,
    signed,
    view,
)

#: What the owner's server knows, with an address that a token proves.
PASSED_ON = {"ids": {"user_id": "u1", "email": mail("ann")}, "proven": ["email"]}
DEVICES = [form(f"device{n:02}", n * MIN, "ann") for n in range(10)]


def ten(more: Mapping[str, str]) -> dict[str, str]:
    return {step.device: "1 ann claimed" for step in DEVICES} | dict(more)


QUARANTINE = [
    Row(
        "accepted: as if it had been so from the start",
        [view("phone", 0), *STRANGER, accept(4)],
        {"laptop": "2 ann proven", "phone": "1 ann decided, 2 ann decided"},
    ),
    Row(
        "refused: nobody's",
        [*STRANGER, refuse(3)],
        {"laptop": "2 ann proven", "phone": "2 nobody"},
    ),
    Row(
        "accepted by mistake and refused later",
        [*STRANGER, accept(3), refuse(3)],
        {"laptop": "2 ann proven", "phone": "2 nobody"},
    ),
    Row(
        "refused by mistake and accepted later",
        [*STRANGER, refuse(3), accept(3)],
        {"laptop": "2 ann proven", "phone": "2 ann decided"},
    ),
    Row(
        "a decision holds for what is claimed there afterwards",
        [*STRANGER, form("phone", 2 * DAY, "ann"), accept(3)],
        {"laptop": "2 ann proven", "phone": "2 ann decided, 1 ann decided"},
    ),
    Row(
        "the last decision about a browser holds, whichever claim it names",
        [*STRANGER, form("phone", 2 * DAY, "ann"), refuse(3), accept(4)],
        {"laptop": "2 ann proven", "phone": "2 ann decided, 1 ann decided"},
    ),
    Row(
        "who claims again and again is one item",
        [*STRANGER, form("phone", 2 * DAY, "ann"), form("phone", 3 * DAY, "ann")],
        {
            "laptop": "2 ann proven",
            "phone": "2 ann quarantined, 1 ann quarantined, 1 ann quarantined",
        },
        ("quarantined ann",),
    ),
    Row(
        "what was claimed before anybody proved it stays",
        [form("phone", 0, "ann"), form("laptop", DAY, "ann"), confirm("laptop", DAY + MIN, "ann")],
        {"phone": "1 ann claimed", "laptop": "2 ann proven"},
    ),
    Row(
        "asserted by the owner's server quarantines nobody and is never quarantined",
        [api(0, "", "ann"), form("phone", DAY, "ann"), api(2 * DAY, "", "ann", "laptop")],
        {"phone": "1 ann claimed", "laptop": "1 ann asserted"},
    ),
    Row(
        "an unknown user id does not get past the quarantine of its address",
        [*PROVEN_ON_LAPTOP, login("phone", DAY, "u1", "ann")],
        {"laptop": "2 ann proven", "phone": "1 ann quarantined"},
        ("quarantined ann",),
    ),
    Row(
        "a token beside somebody else's address is its own person, the address stays",
        [*PROVEN_ON_LAPTOP, signed("phone", DAY, "u1", unsigned="ann")],
        {"laptop": "2 ann proven", "phone": "1 u1 proven"},
        ("two_persons u1 ann",),
    ),
    Row(
        "strangers who type a proven address that nobody may have mean one person",
        [
            KNOWN,
            signed("laptop", MIN, "u1", "ann2"),
            form("phone", DAY, "ann2"),
            form("desk", DAY, "ann2"),
        ],
        {
            "laptop": "2 ann+u1 proven",
            "phone": "1 ann2 quarantined",
            "desk": "1 ann2 quarantined",
        },
        ("second_address ann+u1", "quarantined ann2", "quarantined ann2"),
    ),
]
NAMES = [
    Row(
        "a user id and an address in one event are one person",
        [login("laptop", 0, "u1", "ann"), form("phone", DAY, "ann"), login("desk", DAY, "u1")],
        {"laptop": "1 ann+u1 claimed", "phone": "1 ann+u1 claimed", "desk": "1 ann+u1 claimed"},
    ),
    Row(
        "two known persons in one event are refused; the user id leads",
        [
            login("laptop", 0, "u1"),
            form("phone", MIN, "ann"),
            login("desk", HOUR, "u1", "ann"),
        ],
        {"laptop": "1 u1 claimed", "phone": "1 ann claimed", "desk": "1 u1 claimed"},
        ("two_persons u1 ann",),
    ),
    Row(
        "what is refused on every page is one item",
        [
            login("laptop", 0, "u1"),
            form("phone", MIN, "ann"),
            *(login("desk", n * HOUR, "u1", "ann") for n in (1, 2, 3)),
        ],
        {
            "laptop": "1 u1 claimed",
            "phone": "1 ann claimed",
            "desk": "1 u1 claimed, 1 u1 claimed, 1 u1 claimed",
        },
        ("two_persons u1 ann",),
    ),
    Row(
        "the stronger identifier leads, whatever its type",
        [login("laptop", 0, "u1"), click("laptop", MIN, "ben"), api(HOUR, "u1", "ben")],
        {"laptop": "1 u1 claimed, 1 ben proven"},
        ("two_persons u1 ben",),
    ),
    Row(
        "stronger evidence takes an identifier",
        [
            api(0, "u1"),
            form("phone", MIN, "ann"),
            api(HOUR, "u1", "ann"),
            form("phone", DAY, "ann"),
        ],
        {"phone": "1 former ann claimed, 1 ann+u1 claimed"},
        ("taken ann+u1 former ann",),
    ),
    Row(
        "a user id too goes to who has the stronger evidence",
        [
            login("laptop", 0, "u1"),
            click("phone", MIN, "ann"),
            api(HOUR, "u1", "ann")._replace(data=PASSED_ON),
            login("laptop", DAY, "u1"),
        ],
        {"laptop": "1 former u1 claimed, 1 ann+u1 claimed", "phone": "1 ann+u1 proven"},
        ("taken ann+u1 former u1",),
    ),
    Row(
        "equal evidence never takes",
        [api(0, "u1"), api(MIN, "", "ann", "phone"), api(HOUR, "u1", "ann")],
        {"phone": "1 ann asserted"},
        ("two_persons u1 ann",),
    ),
    Row(
        "a token that names two joins them, a second device is no stranger",
        [login("laptop", 0, "u1"), form("phone", MIN, "ann"), signed("desk", HOUR, "u1", "ann")],
        {"laptop": "1 ann+u1 claimed", "phone": "1 ann+u1 claimed", "desk": "1 ann+u1 proven"},
    ),
    Row(
        "a token does not join two user ids; it takes the address",
        [
            login("laptop", 0, "u1"),
            login("phone", MIN, "u2", "ann"),
            signed("desk", HOUR, "u1", "ann"),
        ],
        {"laptop": "1 ann+u1 claimed", "phone": "1 u2 claimed", "desk": "1 ann+u1 proven"},
        ("taken ann+u1 u2",),
    ),
    Row(
        "a token does not join two proven addresses",
        [
            KNOWN,
            confirm("phone", MIN, "ben"),
            form("phone", 2 * MIN, "ben"),
            signed("desk", HOUR, "u1", "ben"),
        ],
        {"laptop": "1 ann+u1 proven", "phone": "1 ben proven", "desk": "1 ann+u1 proven"},
        ("two_persons ann+u1 ben",),
    ),
    Row(
        "a second proven address is refused, the visit is still that person's",
        [KNOWN, signed("laptop", DAY, "u1", "ann2")],
        {"laptop": "1 ann+u1 proven, 1 ann+u1 proven"},
        ("second_address ann+u1",),
    ),
    Row(
        "an address that is proven leaves a person who has proven another",
        [
            signed("laptop", 0, "u1", "ann"),
            login("laptop", MIN, "u1", "ben"),
            form("phone", HOUR, "ben"),
            confirm("phone", HOUR + MIN, "ben"),
        ],
        {"laptop": "2 ann+u1 proven", "phone": "1 ann+u1 claimed, 1 ben proven"},
        ("second_address ben ann+u1",),
    ),
    Row(
        "a second user id is another person",
        [login("laptop", 0, "u1", "ann"), login("phone", HOUR, "u2", "ann")],
        {"laptop": "1 ann+u1 claimed", "phone": "1 u2 claimed"},
        ("two_persons u2 ann+u1",),
    ),
    Row(
        "the sixth address of one person is refused",
        [login("laptop", n * MIN, "u1", f"ann{n}") for n in range(6)],
        {"laptop": "6 ann0+ann1+ann2+ann3+ann4+u1 claimed"},
        ("too_many_addresses ann0+ann1+ann2+ann3+ann4+u1",),
    ),
    Row(
        "the eleventh browser of a week waits, with one item for all of them",
        [*DEVICES, form("phone", DAY, "ann"), form("desk", DAY + MIN, "ann")],
        ten({"phone": "1 ann quarantined", "desk": "1 ann quarantined"}),
        ("too_many_devices ann",),
    ),
    Row(
        "a week later it links again",
        [*DEVICES, form("phone", DAY, "ann"), form("phone", 8 * DAY, "ann")],
        ten({"phone": "1 ann quarantined, 1 ann claimed"}),
        ("too_many_devices ann",),
    ),
    Row(
        "proof on the eleventh browser ends its wait",
        [*DEVICES, form("phone", DAY, "ann"), confirm("phone", DAY + MIN, "ann")],
        ten({"phone": "2 ann proven"}),
        ("too_many_devices ann",),
    ),
    Row(
        "proof is no matter of number",
        [*DEVICES, signed("phone", DAY, "", "ann")],
        ten({"phone": "1 ann proven"}),
    ),
]
MAIL = [
    Row(
        "a link opened by hand proves the address on its browser, also for what came before",
        [form("laptop", 0, "ann"), click("laptop", DAY, "ann")],
        {"laptop": "1 ann proven, 1 ann proven"},
    ),
    Row(
        "opened without a gesture it proves nothing",
        [click("laptop", 0, "ann", gesture=0)],
        {"laptop": "1 nobody"},
    ),
    Row(
        "from a datacentre it proves nothing, and is not the first browser",
        [click("scanner", 0, "ann", network="datacentre"), click("laptop", HOUR, "ann")],
        {"scanner": "1 nobody", "laptop": "1 ann proven"},
    ),
    Row(
        "another mail has its own first browser",
        [click("laptop", 0, "ann", "may"), click("phone", DAY, "ann", "june")],
        {"laptop": "1 ann proven", "phone": "1 ann proven"},
    ),
    Row(
        "a burst does not take the first browser from the reader",
        [
            *(click("scanner", n * SECOND, "ann", page=f"/{n}") for n in range(3)),
            click("laptop", HOUR, "ann"),
        ],
        {"scanner": "3 nobody", "laptop": "1 ann proven"},
    ),
    Row(
        "three clicks on two links, or three links at leisure, are a person's",
        [
            *(click("laptop", n * SECOND, "ann", page=f"/{n % 2}") for n in range(3)),
            *(click("laptop", HOUR + n * 6 * SECOND, "ann", page=f"/{n}") for n in range(3)),
        ],
        {"laptop": "3 ann proven, 3 ann proven"},
    ),
    Row(
        "what looks like a mail's link at a public door claims nothing",
        [
            confirm("laptop", 0, "ann", door=Door.COLLECT),
            click("laptop", MIN, "ann", door=Door.COLLECT),
        ],
        {"laptop": "1 nobody"},
    ),
    Row(
        "a mail's link without a message is judged like any other",
        [click("laptop", 0, "ann", message="", gesture=0)],
        {"laptop": "1 nobody"},
    ),
]
