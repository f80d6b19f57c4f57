"""The proof of the guides in docs/install.md: `make guides`."""
