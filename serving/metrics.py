"""Counters of the server over all its processes, in shared memory.

The memory is allocated before the processes are forked, so nothing is written to disk. Each process
adds to its own row, without a lock. A process that is started in place of one that ended goes on
with that process's row, so that counters never fall. Any process can read the sums.
"""

import bisect
import mmap

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

ROUTES = ("parse", "tag", "huggingface", "label_studio", "other")
STATUSES = (200, 400, 401, 404, 405, 408, 413, 415, 429, 431, 499, 500, 503, 0)  # 0: any other
BOUNDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
COUNTERS = ("texts", "characters", "tokens", "reloads", "failed_reloads", "restarts")
GAUGES = ("queue", "connections")

_STATUS = {status: i for i, status in enumerate(STATUSES)}
_REQUESTS = len(STATUSES)
_BUCKETS = len(BOUNDS) + 1
_OF_ROUTE = _REQUESTS + _BUCKETS + 1  # numbers of a route; the last one is the sum of seconds
_ROUTE = {route: i * _OF_ROUTE for i, route in enumerate(ROUTES)}
_COUNTER = {name: len(ROUTES) * _OF_ROUTE + i for i, name in enumerate(COUNTERS)}
_GAUGE = {name: len(ROUTES) * _OF_ROUTE + len(COUNTERS) + i for i, name in enumerate(GAUGES)}
_ROW = len(ROUTES) * _OF_ROUTE + len(COUNTERS) + len(GAUGES)


class Metrics:
    """The rows of all processes. rows: their number; the last row is the supervisor's."""

    def __init__(self, rows):
        self.rows = rows
        # (rows, _ROW) float64
        self.values = memoryview(mmap.mmap(-1, 8 * _ROW * rows)).cast("d")

    def row(self, index):
        return Row(self.values[index * _ROW : (index + 1) * _ROW])

    def total(self, place):
        return sum(self.values[place::_ROW])

    def text(self):
        """The page /metrics, as bytes."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self):
        """Yields the metrics; prometheus_client calls it."""
        yield self._requests()
        yield self._seconds()
        for name, help_text in (
            ("texts", "Texts that were tagged"),
            ("characters", "Characters of these texts"),
            ("tokens", "Tokens of these texts, as the model was trained with"),
            ("reloads", "Models that were replaced by SIGHUP"),
            ("failed_reloads", "Changed models that could not be opened"),
            ("restarts", "Processes that ended and were started again"),
        ):
            yield CounterMetricFamily(
                f"etagger_{name}", help_text, value=self.total(_COUNTER[name])
            )
        for name, help_text in (
            ("queue", "Requests that wait for a model"),
            ("connections", "Open connections"),
        ):
            yield GaugeMetricFamily(f"etagger_{name}", help_text, value=self.total(_GAUGE[name]))
        yield GaugeMetricFamily("etagger_processes", "Processes that serve", value=self.rows - 1)

    def _requests(self):
        family = CounterMetricFamily(
            "etagger_requests",
            "Requests that were answered; errors are those with a status of 400 or more",
            labels=("route", "status"),
        )
        for route, first in _ROUTE.items():
            for status, i in _STATUS.items():
                if count := self.total(first + i):
                    family.add_metric((route, str(status or "other")), count)
        return family

    def _seconds(self):
        family = HistogramMetricFamily(
            "etagger_request_seconds",
            "From a request's head to the end of its answer",
            labels=("route",),
        )
        for route, first in _ROUTE.items():
            buckets, below = [], 0
            for i, bound in enumerate((*BOUNDS, "+Inf")):
                below += self.total(first + _REQUESTS + i)
                buckets.append((str(bound), below))
            if below:
                family.add_metric((route,), buckets, self.total(first + _REQUESTS + _BUCKETS))
        return family


class Row:
    """The counters of one process."""

    def __init__(self, values):
        self.values = values

    def request(self, route, status, seconds):
        """Counts a request. route: one of ROUTES. seconds: the time until its answer was sent."""
        values, first = self.values, _ROUTE[route]
        values[first + _STATUS.get(status, _REQUESTS - 1)] += 1
        bucket = first + _REQUESTS + bisect.bisect_left(BOUNDS, seconds)
        values[bucket] += 1
        values[first + _REQUESTS + _BUCKETS] += seconds

    def count(self, name, by=1):
        self.values[_COUNTER[name]] += by

    def set(self, name, value):
        self.values[_GAUGE[name]] = value

    def reset_gauges(self):
        """Sets the gauges to 0; those of a process that ended are no longer true."""
        for name in GAUGES:
            self.set(name, 0)


class RateLimit:
    """Limits each client to `rate` requests a second, over all processes, in bursts of as many.

    This is the generic cell rate algorithm (ITU-T I.371). It keeps one time for each client: the
    time at which the next request is due, if the client keeps to the rate. Clients are hashed into
    a table of fixed size; the hash is salted, so that nobody can choose another client's place.
    rate 0: no limit.
    """

    SIZE = 1 << 16

    def __init__(self, rate):
        self.rate = rate
        self.burst = 1.0 if rate <= 1 else (rate - 1) / rate  # seconds that a client may be ahead
        self.times = memoryview(mmap.mmap(-1, 8 * self.SIZE)).cast("d") if rate else None

    def wait(self, client, now):
        """The seconds that a client must wait; 0 where its request is let through.

        client: an IP address. now: seconds of a clock that all processes share.
        """
        if self.times is None:
            return 0
        # str hashes are salted, and processes that were forked share the salt
        place = hash(_network(client)) % self.SIZE
        due = max(self.times[place], now)
        ahead = due - now
        allowed = self.burst if self.rate > 1 else 0.0
        if ahead > allowed + 1e-9:
            return ahead - allowed
        self.times[place] = due + 1 / self.rate
        return 0


def _network(address):
    """An IPv4 address as it is; the first 64 bits of an IPv6 address, which one customer gets."""
    return address if ":" not in address else ":".join(address.split(":")[:4])
