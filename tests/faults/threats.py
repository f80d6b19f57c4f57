"""The rows of strangers and hostile input, in the order of their threats."""

from tests.faults import (
    threats_bodies,
    threats_bodies_sql,
    threats_flood,
    threats_forwarded,
    threats_http,
    threats_paths,
    threats_patterns,
    threats_probes,
    threats_secrets,
    threats_slow,
)
from tests.faults.row import Fault

MODULES = (
    threats_flood,
    threats_bodies,
    threats_slow,
    threats_http,
    threats_probes,
    threats_bodies_sql,
    threats_forwarded,
    threats_paths,
    threats_patterns,
    threats_secrets,
)
FAULTS: tuple[Fault, ...] = tuple(fault for module in MODULES for fault in module.FAULTS)
