"""Telling: each destination is a cursor over the consequences of a site's log."""
