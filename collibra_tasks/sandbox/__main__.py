"""Serve a stand-in tenant until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from threading import Event

from collibra_tasks.sandbox import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _read_options(arguments)
    tenant = Sandbox(job_seconds=options.job_seconds, version=options.version, port=options.port)
    try:
        tenant.start()
    except OSError as error:
        print(f"The sandbox did not start: port {options.port}: {error.strerror}.", file=sys.stderr)
        print("End the other program, or choose another --port.", file=sys.stderr)
        return 1
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        print(_describe(tenant), flush=True)
        stopped.wait()
    finally:
        tenant.stop()
    return 0


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m collibra_tasks.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port; 0: a free one")
    parser.add_argument("--job-seconds", type=float, default=0.0, help="duration of a job")
    parser.add_argument("--version", default="2026.07.0", help="reported version")
    return parser.parse_args(arguments)


def _describe(tenant: Sandbox) -> str:
    return "\n".join(
        [
            tenant.url,
            *_assignments(tenant, "basic"),
            "# instead of username and password, a bearer token:",
            *(f"# {line}" for line in _assignments(tenant, "bearer")[1:]),
            "# or an OAuth application:",
            *(f"# {line}" for line in _assignments(tenant, "oauth")[1:]),
            "# or a client of an identity provider:",
            *(f"# {line}" for line in _assignments(tenant, "identity_provider")[1:]),
        ]
    )


def _assignments(tenant: Sandbox, auth_type: str) -> list[str]:
    return [f"{name}={value}" for name, value in tenant.environment(auth_type).items()]


if __name__ == "__main__":
    raise SystemExit(main())
