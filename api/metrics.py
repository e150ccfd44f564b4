"""Prometheus metrics: of the requests of this process, and of the jobs as the database has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.session import Database
from spec.errors import FlexDSEError
from spec.versions import FLEXDSE_VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# From a look at a list (1 ms) to the pricing of a million designs.
_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RequestMetrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "flexdse_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "flexdse_http_request_seconds",
            "Time from a request to the end of its answer; event streams are not in it",
            ["method", "route"],
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.streams = Gauge("flexdse_event_streams", "Open event streams", registry=self.registry)
        self.evaluations = Counter(
            "flexdse_api_evaluations", "Designs priced by designs:evaluate", registry=self.registry
        )
        build = Gauge("flexdse_build_info", "Version of the server", ["version"], registry=self.registry)
        build.labels(FLEXDSE_VERSION).set(1)

    def watch(self, database: Database, broker_state: Callable[[], str]) -> None:
        """Adds what the database and the broker say at each scrape."""
        self.registry.register(_Jobs(database, broker_state))

    def text(self) -> bytes:
        """All of them, in Prometheus' text form."""
        return generate_latest(self.registry)


class _Jobs(Collector):
    """Asked at each scrape: several servers of one database all tell the same."""

    def __init__(self, database: Database, broker_state: Callable[[], str]) -> None:
        self._database = database
        self._broker_state = broker_state

    def describe(self) -> Iterable[Metric]:
        return ()  # so that registering asks nothing of the database

    def collect(self) -> Iterable[Metric]:
        degraded = GaugeMetricFamily(
            "flexdse_broker_degraded", "1 while the broker cannot be reached; jobs still start"
        )
        degraded.add_metric([], float(self._broker_state() == "degraded"))
        yield degraded
        up = GaugeMetricFamily("flexdse_database_up", "1 while the database answers")
        try:
            found = list(self._figures())
        except FlexDSEError:
            up.add_metric([], 0.0)
            yield up
            return
        up.add_metric([], 1.0)
        yield up
        yield from found

    def _figures(self) -> Iterable[Metric]:
        with self._database.read() as work:
            figures = work.figures
            depth = GaugeMetricFamily("flexdse_queue_jobs", "Jobs by queue and state", labels=["queue", "state"])
            age = GaugeMetricFamily(
                "flexdse_queue_oldest_seconds", "Age of the oldest job by queue and state", labels=["queue", "state"]
            )
            for figure in figures.queues():
                depth.add_metric([figure.queue, str(figure.state)], figure.count)
                age.add_metric([figure.queue, str(figure.state)], figure.oldest_age_s)
            yield depth
            yield age
            jobs = GaugeMetricFamily("flexdse_jobs", "Jobs by kind, state and cause", labels=["kind", "state", "cause"])
            for kind, state, cause, count in figures.jobs():
                jobs.add_metric([kind, str(state), cause or ""], count)
            yield jobs
            runs = GaugeMetricFamily(
                "flexdse_tool_runs", "Ended tool runs by step and outcome", labels=["step", "outcome"]
            )
            for step, passed, count in figures.runs():
                outcome = "unknown" if passed is None else "passed" if passed else "failed"
                runs.add_metric([step, outcome], count)
            yield runs
            for name, help_, value in (
                (
                    "flexdse_evaluations_per_second",
                    "Designs priced a second by running searches",
                    figures.evaluations_per_s(),
                ),
                ("flexdse_artifact_bytes", "Size of all artifacts", figures.artifact_bytes()),
            ):
                gauge = GaugeMetricFamily(name, help_)
                gauge.add_metric([], value)
                yield gauge
            for name, help_, value in (
                ("flexdse_leases_lost", "Leases that were lost by a worker", figures.leases_lost()),
                ("flexdse_evaluations", "Designs priced by searches", figures.evaluations_total()),
            ):
                counter = CounterMetricFamily(name, help_)
                counter.add_metric([], value)
                yield counter
