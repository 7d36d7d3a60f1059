"""Checks of the connection to Collibra: proxy, token, TLS, account, version, identity, clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from collibra_tasks.api.auth import read_expiry
from collibra_tasks.api.client import CollibraClient
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    NotFoundError,
    NotSentError,
)
from collibra_tasks.ledger.identity import resolve_environment
from collibra_tasks.models import Account, ApplicationInfo
from collibra_tasks.settings import CollibraConnection

MAX_CLOCK_DIFFERENCE_SECONDS: Final = 60.0
PARTS: Final = {"": "Connection", "token": "Authentication", "certificate": "TLS certificate"}
"""Name of the check for each part of the connection that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """Result of one check.

    Attributes:
        name: Name of the check.
        ok: Whether the check passed.
        finding: Observation in one sentence.
        next_step: Action for a check that did not pass; otherwise empty.
    """

    name: str
    ok: bool
    finding: str
    next_step: str = ""

    def __str__(self) -> str:
        """Return the row as one line."""
        mark = "ok  " if self.ok else "FAIL"
        return f"{mark} {self.name}: {self.finding} {self.next_step}".rstrip()


def green(name: str, finding: str) -> CheckRow:
    """Return the row of a check that passed."""
    return CheckRow(name=name, ok=True, finding=finding)


def red(name: str, error: CollibraError) -> CheckRow:
    """Return the row of an error, whose last sentence is the next step."""
    finding, _, step = str(error).rstrip().removesuffix(".").rpartition(". ")
    if not finding:
        return CheckRow(name=name, ok=False, finding=str(error))
    return CheckRow(name=name, ok=False, finding=f"{finding}.", next_step=f"{step}.")


def run_check(name: str, check: Callable[[], str]) -> CheckRow:
    """Return the row of a check that returns its finding or raises an error."""
    try:
        return green(name, check())
    except CollibraError as error:
        return red(name, error)


@dataclass(kw_only=True)
class ConnectionChecks:
    """Checks of one connection.

    Attributes:
        now: Clock of this machine, in UTC.
        environment: Identity of the environment, as far as it is known.
        info: Self-description of Collibra, once it was read.
        account: Account of the credentials, once it was read.
        passed: Whether further checks can be made.
    """

    connection: CollibraConnection
    client: CollibraClient
    now: Callable[[], datetime]
    environment: str
    info: ApplicationInfo | None = None
    account: Account | None = None
    passed: bool = False

    def run(self) -> Iterator[CheckRow]:
        """Yield the rows; the first failure of connection or authentication is the last row."""
        yield self._check_proxy()
        for check in (
            self._check_expiry,
            self._check_reachability,
            self._check_tls,
            self._check_authentication,
        ):
            row = check()
            yield row
            if not row.ok:
                return
        yield self._check_version()
        yield run_check("Environment", self._check_environment)
        yield run_check("Clock", self._check_clock)
        self.passed = True

    def _check_proxy(self) -> CheckRow:
        scheme = urlsplit(self.connection.base_url).scheme
        proxy, origin = self.connection.read("proxy"), "COLLIBRA_PROXY"
        if not proxy:
            proxy, origin = getproxies().get(scheme, ""), "this machine's settings"
        if not proxy:
            return green("Proxy", "No proxy is used.")
        host = _host_of(proxy)
        return green("Proxy", f"Requests use the proxy {host} from {origin}.")

    def _check_expiry(self) -> CheckRow:
        name, way = "Token expiry", self.connection.auth_type
        if way == "basic":
            return green(name, "A user name and a password have no expiry.")
        if way == "oauth":
            return green(name, "Tokens are renewed before they expire.")
        expiry = read_expiry(self.connection.read("token"))
        if expiry is None:
            return green(name, "The fixed token names no expiry.")
        shown = f"{expiry:%Y-%m-%d %H:%M:%S} UTC"
        if expiry > self.now():
            return green(name, f"The fixed token expires at {shown}.")
        step = "Replace it; for scheduled runs use a client ID and a client secret."
        return CheckRow(
            name=name, ok=False, finding=f"The fixed token expired at {shown}.", next_step=step
        )

    def _check_reachability(self) -> CheckRow:
        """Read the application info; a refusal also proves that Collibra was reached."""
        try:
            self.info = self.client.get_application_info()
        except (AccessDeniedError, BusyError, NotFoundError) as error:
            if error.part:
                return red(PARTS[error.part], error)
        except CollibraError as error:
            # Without a token URL of its own, an unreachable token endpoint is Collibra itself.
            is_host = isinstance(error, NotSentError) and error.transient
            if error.part == "token" and is_host and not self.connection.token_url:
                return red(PARTS[""], error)
            return red(PARTS[error.part], error)
        return green(PARTS[""], f"{self.connection.base_url} responds.")

    def _check_tls(self) -> CheckRow:
        name = PARTS["certificate"]
        if self.connection.base_url.startswith("http:"):
            return green(name, "The connection is http on this machine, without TLS.")
        bundle = self.connection.ca_bundle
        trusted = f"the certificates in {bundle}" if bundle else "public certificates"
        return green(name, f"The chain of the certificate is verified by {trusted}.")

    def _check_authentication(self) -> CheckRow:
        name, way = "Authentication", self.connection.auth_type
        try:
            self.account = self.client.get_account()
        except CollibraError as error:
            return red(name, error)
        if self.account is None:
            return green(name, f"Accepted ({way}); the account cannot read its own name.")
        return green(name, f"Accepted ({way}); the account is {self.account.name}.")

    def _check_version(self) -> CheckRow:
        version = self.info.version if self.info else None
        if version is None:
            return green("Version", "No version is reported; a current one is assumed.")
        return green("Version", f"Collibra {version.text}.")

    def _check_environment(self) -> str:
        notes: list[str] = []
        configured = self.connection.environment
        found = resolve_environment(self.client, configured=configured, log=notes.append)
        self.environment = found.key
        return " ".join([f"The environment is {found.key}, at {found.base_url}.", *notes])

    def _check_clock(self) -> str:
        difference = (self.client.get_server_time() - self.now()).total_seconds()
        if abs(difference) > MAX_CLOCK_DIFFERENCE_SECONDS:
            raise CollibraError(
                f"Collibra's clock differs by {difference:,.0f} seconds from this machine's. "
                "Synchronize this machine's clock with NTP."
            )
        return f"Collibra's clock differs by {difference:,.0f} seconds."


def _host_of(url: str) -> str:
    """Return host and port of a proxy; the URL may hold a password."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "of an unreadable URL"
    return f"{parts.hostname or 'of an unreadable URL'}{port}"
