"""The rows of the route table about members, users, sign-ins, forms, and what was done."""

from server.reports import delivery, live
from server.web import administration as admin
from server.web import bodies, forms, listening, member_bodies, members, users
from server.web import readings as read
from server.web.operations import EVENTS, Operation
from server.web.queries import AuditQuery, LiveQuery

PREFIX = "/api/v1"
SITE = f"{PREFIX}/sites/{{site_id}}"
MEMBER = f"{SITE}/members/{{user_id}}"
USER = f"{PREFIX}/users/{{user_id}}"

# fmt: off
MEMBERS = (
    Operation("PATCH", SITE, "renameSite",
              "Give a site another name.",
              "admin", admin.rename_site, bodies.SiteDetail, body=member_bodies.NewName),
    Operation("GET", f"{SITE}/members", "listMembers",
              "Everybody who may see the site, and who was invited to it.",
              "admin", members.list_members, member_bodies.Members),
    Operation("POST", f"{SITE}/members", "inviteMember",
              "Give somebody a role on the site, by a link that opens once.",
              "admin", members.invite_member, member_bodies.Invitation,
              body=member_bodies.Invite, status=201),
    Operation("PATCH", MEMBER, "changeMember",
              "Give a member another role, from the next request on.",
              "admin", members.change_member, member_bodies.MemberRow,
              body=member_bodies.RoleChange),
    Operation("DELETE", MEMBER, "removeMember",
              "Take a member's role on the site, or an invitation back.",
              "admin", members.remove_member, None, status=204),
    Operation("POST", f"{MEMBER}/link", "inviteAgain",
              "Make another link for somebody who was invited.",
              "admin", members.invite_again, member_bodies.Invitation, status=201),
    Operation("GET", f"{SITE}/audit", "listAudit",
              "Who did what to the site, the newest first.",
              "admin", members.list_audit, member_bodies.Audit, AuditQuery),
    Operation("GET", f"{SITE}/forms", "listForms",
              "Forms that were seen or registered, with what is stored of each field and why.",
              "read", forms.list_forms, forms.Forms),
    Operation("PUT", f"{SITE}/forms", "saveForm",
              "Say what is stored of one form; every change is kept in the site's log.",
              "admin", forms.save_form, forms.FormRow, body=forms.FormBody),
    Operation("POST", f"{SITE}/forms/preview", "previewForm",
              "What would be stored of a form under a rule that is not saved.",
              "read", forms.preview_form, forms.FormRow, body=forms.FormBody),
    Operation("GET", f"{SITE}/delivery", "getDelivery",
              "How well events arrive: lost, late and sent twice, by browser and by page.",
              "read", read.get_delivery, delivery.Delivery),
    Operation("GET", f"{SITE}/live", "followSite",
              "What happens on the site, as it happens: server-sent events with JSON.",
              "read", listening.listen, live.LiveEvent, LiveQuery, media=EVENTS),
    Operation("GET", f"{SITE}/live/now", "lookAtSite",
              "Who is on the site now, and what happened last.",
              "read", listening.look, live.LiveNow),
    Operation("GET", f"{PREFIX}/users", "listUsers",
              "Everybody who may sign in. Operators and owners of the server only.",
              "", users.list_users, member_bodies.Users),
    Operation("POST", f"{PREFIX}/users", "addUser",
              "Add an owner of the server, by a link that opens once. Operators and owners only.",
              "", users.add_user, member_bodies.SignInLink, body=member_bodies.NewUser,
              status=201),
    Operation("PATCH", USER, "changeUser",
              "Make somebody an owner of the server or a member, or shut them out.",
              "", users.change_user, member_bodies.UserRow, body=member_bodies.UserChange),
    Operation("POST", f"{USER}/link", "linkUser",
              "Make a link that signs a user in; for a lost password too.",
              "", users.link_user, member_bodies.SignInLink, body=member_bodies.NewLink,
              status=201),
    Operation("GET", f"{PREFIX}/me", "getMe",
              "Who is signed in.",
              "", users.get_me, member_bodies.Me),
    Operation("GET", f"{PREFIX}/me/sign-ins", "listSignIns",
              "Where one is signed in.",
              "", users.list_sign_ins, member_bodies.SignIns),
    Operation("DELETE", f"{PREFIX}/me/sign-ins", "endOtherSignIns",
              "Sign out everywhere else.",
              "", users.end_other_sign_ins, None, status=204),
    Operation("DELETE", f"{PREFIX}/me/sign-ins/{{sign_in_id}}", "endSignIn",
              "Sign one browser out.",
              "", users.end_sign_in, None, status=204),
)
# fmt: on
