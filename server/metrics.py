"""What `/metrics` shows, one registry per app so that tests and workers do not share counters."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
GROUP = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


class Metrics:
    """Counters of the write path and the projector."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.appended = Counter("handraise_appended", "Events in the log", registry=registry)
        self.duplicates = Counter(
            "handraise_duplicates", "Events sent again and stored once", registry=registry
        )
        self.refused = Counter(
            "handraise_refused", "Events refused, by reason", ["reason"], registry=registry
        )
        self.overloaded = Counter(
            "handraise_overloaded", "Requests answered 503", registry=registry
        )
        self.commit_seconds = Histogram(
            "handraise_commit_seconds", "One writer turn", buckets=LATENCY_S, registry=registry
        )
        self.group_size = Histogram(
            "handraise_group_size", "Events in one turn", buckets=GROUP, registry=registry
        )
        self.queue = Gauge(
            "handraise_queue_events", "Events waiting for the writer", registry=registry
        )
        self.projected = Counter(
            "handraise_projected", "Entries the projector has passed", registry=registry
        )
        self.passed_over = Counter(
            "handraise_passed_over", "Entries that could not be projected", registry=registry
        )
        self.lag = Gauge(
            "handraise_projection_lag_entries", "Entries not yet projected", registry=registry
        )
        self.lag_seconds = Gauge(
            "handraise_projection_lag_seconds",
            "Age of the oldest entry not yet projected",
            registry=registry,
        )
        self.thinned = Counter(
            "handraise_thinned", "Old entries thinned to stubs by retention", registry=registry
        )
        self.replayed = Gauge(
            "handraise_replay_done",
            "Share of the log that a rebuild or verification has read, by site",
            ["site"],
            registry=registry,
        )
        self.rescored = Gauge(
            "handraise_rescoring_done",
            "Share of the people and visitors scored by the ruleset published last, by site",
            ["site"],
            registry=registry,
        )
        self.long_turns = Counter(
            "handraise_long_turns",
            "Projection results that took more than twice as long to write as they should",
            registry=registry,
        )
        self._disk(registry)
        self._tell(registry)

    def _disk(self, registry: CollectorRegistry) -> None:
        self.storage_fault = Gauge(
            "handraise_storage_fault", "1 while nothing can be stored", registry=registry
        )
        self.disk_free = Gauge(
            "handraise_disk_free_bytes", "Free space of the data folder's disk", registry=registry
        )

    def _tell(self, registry: CollectorRegistry) -> None:
        self.cut = Counter(
            "handraise_connections_cut",
            "Connections refused or closed before their time, by reason",
            ["reason"],
            registry=registry,
        )
        self.told = Counter(
            "handraise_deliveries",
            "Attempts to tell a destination: delivered, failed, dead (given up), dropped",
            ["outcome"],
            registry=registry,
        )
        self.told_waiting = Gauge(
            "handraise_deliveries_waiting", "Deliveries to be tried again", registry=registry
        )
        self.told_lag_seconds = Gauge(
            "handraise_tell_lag_seconds",
            "Age of the oldest consequence that a destination was not told yet",
            registry=registry,
        )
