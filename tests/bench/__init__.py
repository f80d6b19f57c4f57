"""The proof of the figures: `make bench`."""
