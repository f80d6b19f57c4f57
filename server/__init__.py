"""Handraise: a site is a log; people are derived from it. Start reading at `ingest/pipeline.py`."""

__version__ = "0.1.0"
