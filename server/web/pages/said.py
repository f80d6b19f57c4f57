"""What a page says on arrival after a change, by the name its address carries.

Names, not sentences, travel in the address: nobody can put words into our pages by a link.
"""

SAID = {
    "welcome": "Signed in. This e-mail and password are yours from now on.",
    "stage": "The stage was moved.",
    "tags": "The tags were changed.",
    "note": "The note was saved.",
    "owner": "The owner was set.",
    "saved": "Saved.",
    "wait": "Taken down; it shows here in a moment.",
}
