"""Everything a tenant knows, and one call upon it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from collibra_tasks.sandbox.accounts import Accounts
from collibra_tasks.sandbox.catalog import Catalog
from collibra_tasks.sandbox.files import Files
from collibra_tasks.sandbox.importing import FAILURES_BEFORE_ABORT
from collibra_tasks.sandbox.job_book import JobBook
from collibra_tasks.sandbox.messages import Answer, Request
from collibra_tasks.sandbox.synchronizations import Synchronizations
from collibra_tasks.sandbox.version import Version

Clock = Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class State:
    """Everything a tenant knows.

    Attributes:
        summaries: Whether there are import results for finalization jobs.
    """

    clock: Clock
    accounts: Accounts
    version: Version
    jobs: JobBook = field(default_factory=JobBook)
    catalog: Catalog = field(default_factory=Catalog)
    synchronizations: Synchronizations = field(default_factory=Synchronizations)
    files: Files = field(default_factory=Files)
    failures_before_abort: int = FAILURES_BEFORE_ABORT
    job_api_v1: bool = True
    legacy_jobs: bool = True
    summaries: bool = True
    url: str = "http://sandbox-not-started.invalid"

    def settle(self) -> datetime:
        """Let every job end whose time has come, and return the time."""
        now = self.clock()
        self.jobs.settle(now)
        return now


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that has found its endpoint.

    Attributes:
        arguments: The variable segments of the path, decoded.
        user_id: Who asks; empty where nobody has to say.
        now: The tenant's time.
    """

    state: State
    request: Request
    arguments: tuple[str, ...]
    user_id: str
    now: datetime


Endpoint = Callable[[Call], Answer]
