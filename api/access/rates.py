"""Token buckets: so many requests a second with a burst, per key; and per address for credentials that are wrong."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass

_MAX_BUCKETS = 10_000  # whoever comes from more addresses pushes out the oldest, which are full again by then


@dataclass(slots=True)
class _Bucket:
    level: float
    at_s: float


class Rates:
    """Buckets by name. Used from one event loop."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str, per_s: float, burst: int, now_s: float | None = None) -> int:
        """Takes one from the bucket; 0, or the seconds to wait where it is empty."""
        bucket = self._filled(name, per_s, burst, now_s)
        if bucket.level < 1.0:
            return max(1, math.ceil((1.0 - bucket.level) / per_s))
        bucket.level -= 1.0
        return 0

    def wait_s(self, name: str, per_s: float, burst: int, now_s: float | None = None) -> int:
        """What `take` would say, without taking."""
        bucket = self._filled(name, per_s, burst, now_s)
        return 0 if bucket.level >= 1.0 else max(1, math.ceil((1.0 - bucket.level) / per_s))

    def _filled(self, name: str, per_s: float, burst: int, now_s: float | None) -> _Bucket:
        now = time.monotonic() if now_s is None else now_s
        bucket = self._buckets.setdefault(name, _Bucket(float(burst), now))
        self._buckets.move_to_end(name)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.level = min(float(burst), bucket.level + (now - bucket.at_s) * per_s)
        bucket.at_s = now
        return bucket
