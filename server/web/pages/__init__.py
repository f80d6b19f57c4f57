"""The pages for people: rendered here, escaped by default, and whole without a script."""
