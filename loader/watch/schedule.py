"""Periodic jobs of the loader. The loader's only door to apscheduler."""

from collections.abc import Callable, Mapping
from datetime import UTC

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


class Schedule:
    """Calls each job so often, each from a thread of its own. Inert until `start`."""

    def __init__(self, jobs: Mapping[str, tuple[float, Callable[[], None]]]) -> None:
        """Name of a job -> seconds between two calls, and the job."""
        self._scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(len(jobs))})
        for name, (seconds, job) in jobs.items():
            self._scheduler.add_job(
                job, "interval", id=name, seconds=seconds, max_instances=1, coalesce=True, misfire_grace_time=None
            )

    def start(self) -> None:
        """Call the jobs from now on."""
        self._scheduler.start()

    def stop(self) -> None:
        """No call after this. Harmless before `start`."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
