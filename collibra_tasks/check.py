"""Checks of connection, rights and setup; they write nothing to Collibra.

Run ``python -m collibra_tasks.check`` on the worker, with the ``COLLIBRA_*`` variables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from pydantic import ValidationError

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.api.session import Session
from collibra_tasks.errors import CollibraError
from collibra_tasks.ledger.identity import normalize_environment
from collibra_tasks.models import MISSING_FROM_SOURCE
from collibra_tasks.reporting.access_checks import AccessChecks
from collibra_tasks.reporting.connection_checks import CheckRow, ConnectionChecks, red
from collibra_tasks.reporting.markdown import render_table
from collibra_tasks.settings import CollibraConnection, CollibraSettings

SETTINGS_FAULT = 2
"""Exit code for variables that do not form a connection."""


def _read_utc() -> datetime:
    return datetime.now(tz=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCheck:
    """Rows of a check, and the identity of the environment as far as it is known."""

    environment: str
    rows: tuple[CheckRow, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(row.ok for row in self.rows)

    @property
    def sentence(self) -> str:
        """Outcome in one sentence."""
        red = [row for row in self.rows if not row.ok]
        if not red:
            return f"All {len(self.rows)} checks of {self.environment} passed."
        failures = " ".join(f"{row.name}: {row.finding} {row.next_step}".strip() for row in red)
        return f"{len(red)} of {len(self.rows)} checks of {self.environment} failed. {failures}"


def check_connection(
    connection: CollibraConnection,
    *,
    synchronization_id: str = "",
    status_id: str = MISSING_FROM_SOURCE,
    now: Callable[[], datetime] = _read_utc,
    transport: httpx.BaseTransport | None = None,
) -> TenantCheck:
    """Return the results of all checks. Without a connection, the later checks are left out.

    Args:
        connection: URL and credentials.
        synchronization_id: Synchronization that must exist; empty for none.
        status_id: UUID of the status that must exist; empty for none.
        now: Clock of this machine, in UTC.
        transport: Replacement of the network in tests.

    Example:
        ```python
        check_connection(CollibraSettings()).ok
        ```
    """
    environment = _name_environment(connection)
    with ExitStack() as stack:
        try:
            client = stack.enter_context(CollibraClient(connection, transport=transport))
            session = Session(connection, transport)
        except CollibraError as error:
            return TenantCheck(environment=environment, rows=(red("Connection", error),))
        stack.callback(session.close)
        basis = ConnectionChecks(
            connection=connection, client=client, now=now, environment=environment
        )
        rows = list(basis.run())
        if basis.passed:
            access = AccessChecks(client=client, session=session, account=basis.account)
            rows += access.run(synchronization_id.strip(), status_id.strip())
    return TenantCheck(environment=basis.environment, rows=tuple(rows))


def _name_environment(connection: CollibraConnection) -> str:
    try:
        return normalize_environment(connection.environment or connection.base_url)
    except ValueError:
        return normalize_environment(connection.base_url)


def render_check(check: TenantCheck) -> str:
    """Return the rows as Markdown."""
    rows = [
        ("\U0001f7e2" if row.ok else "\U0001f534", row.name, row.finding, row.next_step)
        for row in check.rows
    ]
    outcome = "all checks passed" if check.ok else "checks failed"
    table = render_table(("", "Check", "Finding", "Next step"), rows)
    return f"# {check.environment}: {outcome}\n\n{table}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the connection of the environment variables, and print one line per check."""
    options = _read_options(arguments)
    try:
        settings = CollibraSettings()
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors())
        sys.stderr.write(f"No check made: {faults}. Correct the COLLIBRA_* variables.\n")
        return SETTINGS_FAULT
    check = check_connection(
        settings, synchronization_id=options.synchronization_id, status_id=options.status_id
    )
    sys.stdout.writelines(f"{row}\n" for row in check.rows)
    return 0 if check.ok else 1


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m collibra_tasks.check",
        description="Check connection, rights and setup. Nothing in Collibra changes.",
    )
    parser.add_argument(
        "--synchronization-id", default="", help="synchronization that must exist; empty: none"
    )
    parser.add_argument(
        "--status-id",
        default=MISSING_FROM_SOURCE,
        help='UUID of the status that must exist; default: "Missing from source"; empty: none',
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
