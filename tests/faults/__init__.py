"""Faults on purpose: kill -9 under load, each with a control that must fail."""
