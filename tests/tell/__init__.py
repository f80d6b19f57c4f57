"""Tests of telling; `receivers` are what is told, `desk` is the program that tells."""
