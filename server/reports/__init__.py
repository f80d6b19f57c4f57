"""Questions that pages and the API ask of the derived tables."""
