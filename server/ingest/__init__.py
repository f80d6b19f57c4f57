"""Parse once, refuse by name, classify, enrich: bytes from outside become frozen events."""
