"""The edges: collect doors, JSON API, pages."""
