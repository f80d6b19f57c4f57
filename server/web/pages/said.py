"""What a page says on arrival after a change, by the name its address carries.

Names, not sentences, travel in the address: nobody can put words into our pages by a link.
"""

SAID = {
    "welcome": "Signed in. This e-mail and password are yours from now on.",
    "stage": "The stage was moved.",
    "same": "That is the stage already: choose another one to move to.",
    "tags": "The tags were changed.",
    "note": "The note was saved.",
    "owner": "The owner was set.",
    "saved": "Saved.",
    "classified": "Classified; figures and scores follow.",
    "spam": "Marked as spam: in no list and no figure from now on.",
    "internal": "Marked as one of yours: in no list and no figure from now on.",
    "test": "Marked as a test: in no list and no figure from now on.",
    "bot": "Marked as a robot: in no list and no figure from now on.",
    "back": "Back again, as it was recognised; figures and scores follow.",
    "merged": "The two are one person now; undo it under Merges.",
    "joined": "The two are one person now; it can be undone on their page, under Merges.",
    "moved": "Nothing was changed: the one you decided about is part of this person meanwhile.",
    "split": "Taken apart again, as if they had never been one.",
    "segment": "The segment is saved: everybody on this site finds it above the list.",
    "dropped": "The segment is gone; nobody in it has changed.",
    "bulk": "Done.",
    "settled": "Decided. It can be looked up under Closed.",
    "erased": "Erased. The receipt stands under Settings.",
    "draft": "Begun. Nothing counts until the draft is published.",
    "undrafted": "The draft is gone.",
    "published": "Published. Everybody is scored by it from now on.",
    "rederived": "Saved. What follows from it is derived again now.",
    "role": "The role was changed; it counts from the next page on.",
    "removed": "Removed: this site is closed to them from now on.",
    "revoked": "Revoked: the token opens nothing any more.",
    "rotated": "There is a new key. Put the new tag into your pages; the old one works meanwhile.",
    "ended": "Ended: that browser has to sign in again.",
    "told": "Added. It is told what is decided from now on; send a test to see that it arrives.",
    "untold": "The destination is gone.",
    "replayed": "It is told again.",
    "resecret": "A new secret was made; the one before is good for a day.",
    "wait": "Taken down; it shows here in a moment.",
}
#: What can be taken back right where it is said: whoever it is about gets a class again.
UNDONE_BY_CLASS = frozenset({"spam", "internal", "test", "bot"})
