"""The demo: an invented company's website to click through, and three weeks of its visitors."""
