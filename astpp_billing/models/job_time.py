"""How long a scheduled job may go on in one go, so that the limits of Odoo's workers do not end it."""

import resource
import time

from odoo.tools import config

# Seconds of CPU that are left for what a piece of work still needs when its time is up.
MARGIN = 20
# Seconds after which a job lets others go on, whatever its limits are.
LONGEST = 40


class JobTime:
    """The time of one go of a job, from its making on. The job commits piece by piece and asks between pieces."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._end = time.monotonic() + min(longest, _real_limit() / 2)

    @property
    def is_up(self) -> bool:
        """Whether the job should end here and be triggered anew: its worker's limits begin anew then."""
        return time.monotonic() >= self._end or _cpu_left() < min(MARGIN, _cpu_limit() / 3)


def _real_limit() -> float:
    """Return how many seconds a scheduled job may take, inf for no limit."""
    limit = config["limit_time_real_cron"]
    limit = config["limit_time_real"] if limit is None or limit < 0 else limit
    return limit or float("inf")


def _cpu_limit() -> float:
    return config["limit_time_cpu"] or float("inf")


def _cpu_left() -> float:
    """Return how many seconds of CPU this process may use still; a worker sets the limit before each unit of work."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY:
        return float("inf")
    used = resource.getrusage(resource.RUSAGE_SELF)
    return soft - used.ru_utime - used.ru_stime
