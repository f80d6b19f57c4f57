"""What the routes of members, users and sign-ins take and answer."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.reports.shapes import Next, Shape, Time
from server.web.bodies import Body

Role = Literal["owner", "marketer", "viewer"]
ServerRole = Literal["owner", "member"]
Email = Annotated[str, Meta(max_length=320, examples=["olga@acme.example"])]
PersonName = Annotated[str, Meta(max_length=100)]
UserId = Annotated[str, Meta(pattern="^u[1-9][0-9]*$", examples=["u3"])]
SignInId = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", examples=["0123456789abcdef"])]


class Invite(Body, frozen=True, kw_only=True):
    """Whom to give a role on this site, once they have opened the link."""

    email: Email
    role: Role = "viewer"


class RoleChange(Body, frozen=True, kw_only=True):
    """The role on this site from now on."""

    role: Role


class MemberRow(Shape, frozen=True, kw_only=True):
    """Somebody with a role on this site. Owners of the whole server have every site, and no role
    on a single one to change. Of somebody who was only `invited` nothing but the e-mail is told."""

    id: UserId
    email: str
    name: str
    role: str
    server_owner: bool
    invited: bool
    disabled: bool
    seen_at: Annotated[Time | None, Meta(description="Last use of a sign-in in force.")]


class Members(Shape, frozen=True, kw_only=True):
    """Everybody who may see a site: owners of the server, then members and invitations."""

    items: list[MemberRow]
    next: Next = None


class Invitation(Shape, frozen=True, kw_only=True):
    """The link opens once, within a week, and is shown this once. It lets nobody into an account
    that has a password or other sites: there it waits until its user has signed in."""

    id: UserId
    email: str
    role: str
    link: str
    expires_at: Time
    mailed: Annotated[bool, Meta(description="Whether a mail server took it.")]
    mail: Annotated[str, Meta(description="What came of the mail, in words.")]


class NewUser(Body, frozen=True, kw_only=True):
    """An owner of the whole server, or a member who is on no site yet."""

    email: Email
    role: ServerRole = "owner"


class UserChange(Body, frozen=True, kw_only=True):
    """What to change; what is left out stays. `disabled` ends every sign-in at once."""

    role: ServerRole | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class NewLink(Body, frozen=True, kw_only=True):
    """`forget_password` for somebody who has lost it: the old one opens nothing any more, every
    sign-in ends, and the link leads to choosing another."""

    forget_password: bool = False


class SiteRole(Shape, frozen=True, kw_only=True):
    """A role on one site."""

    site: Annotated[str, Meta(examples=["1"])]
    name: str
    role: str


class UserRow(Shape, frozen=True, kw_only=True):
    """Somebody who may sign in. An owner has every site."""

    id: UserId
    email: str
    name: str
    role: str
    sites: list[SiteRole]
    password: Annotated[bool, Meta(description="Whether one was chosen.")]
    disabled: bool
    seen_at: Time | None


class Users(Shape, frozen=True, kw_only=True):
    """Everybody who may sign in."""

    items: list[UserRow]
    next: Next = None


class SignInLink(Shape, frozen=True, kw_only=True):
    """A link that signs its user in; good once, within a week, and shown this once."""

    id: UserId
    email: str
    link: str
    expires_at: Time
    mailed: bool
    mail: str


class Me(Shape, frozen=True, kw_only=True):
    """Who is signed in, and on which sites."""

    id: UserId
    email: str
    name: str
    role: str
    sites: list[SiteRole]


class SignInRow(Shape, frozen=True, kw_only=True):
    """One browser that is signed in. `this` is the one that asks."""

    id: SignInId
    browser: str
    since: Time
    seen_at: Time
    this: bool


class SignIns(Shape, frozen=True, kw_only=True):
    """Where one is signed in, the latest use first."""

    items: list[SignInRow]
    next: Next = None


class AuditRow(Shape, frozen=True, kw_only=True):
    """Something somebody did. `detail` holds ids, tags and names of settings, never a person's
    data."""

    id: Annotated[str, Meta(examples=["a12", "e91"])]
    at: Time
    author: Annotated[str, Meta(examples=["user u3", "token t1", "operator"])]
    action: str
    detail: str
    about: Annotated[
        tuple[str, ...],
        Meta(description="Whom a decision names: persons `p57`, a visitor `v5`, an event `e9`."),
    ] = ()


class Audit(Shape, frozen=True, kw_only=True):
    """Acts on a site, the newest first."""

    items: list[AuditRow]
    next: Next = None


class NewName(Body, frozen=True, kw_only=True):
    """What a site is called."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern="[^\\s]")]
