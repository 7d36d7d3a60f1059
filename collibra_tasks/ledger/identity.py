"""Identity of a Collibra environment, and the names of everything that is stored for it.

One environment has several URLs: a company alias, an IP address, an internationalized host name.
Two identities of one environment would mean two ledgers, and two finalizations of one cycle.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

import httpx

from collibra_tasks.errors import FinalizationRefusedError, UnexpectedAnswerError
from collibra_tasks.models import ApplicationInfo

MAX_SLUG_LENGTH: Final = 40
DIGEST_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Environment:
    """A Collibra environment.

    Attributes:
        key: Identity, equal for every URL of the environment, such as ``acme.collibra.com``.
        base_url: URL that users open.
    """

    key: str
    base_url: str


class EnvironmentClient(Protocol):
    """Part of the Collibra client that identifies an environment."""

    @property
    def base_url(self) -> str:
        """Configured URL."""

    def get_application_info(self) -> ApplicationInfo:
        """Return the self-description of the environment."""


def normalize_environment(text: str) -> str:
    """Return the identity for a URL or a plain name.

    A URL becomes its host in lower case and punycode, without scheme, default port, trailing dot
    and trailing slash; user names and passwords are dropped. A plain name is stripped and
    case-folded.

    Args:
        text: URL with a scheme, or a plain name such as ``production``.

    Raises:
        ValueError: If the text is empty or the URL has no valid host.

    Example:
        ```python
        normalize_environment("https://Acme.Collibra.com:443/")  # "acme.collibra.com"
        ```
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if "://" in name:
        return _normalize_url(name)
    if not name:
        raise ValueError("The name of the environment is empty.")
    return unicodedata.normalize("NFC", name.casefold())


def _normalize_url(text: str) -> str:
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii").rstrip(".").lower()
    except httpx.InvalidURL:
        host = ""
    if not re.fullmatch(r"[a-z0-9._:-]+", host):
        # The text is not shown: it may contain a password.
        raise ValueError("The URL of the environment has no valid host name.")
    host = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port is not None else ""
    return f"{host}{port}{url.path.rstrip('/')}"


def resolve_environment(
    client: EnvironmentClient, *, configured: str = "", log: Callable[[str], None]
) -> Environment:
    """Return the environment that a client is connected to.

    The identity is the configured name, otherwise the base URL that Collibra reports, otherwise
    (old versions report none) the configured URL. A reported host that differs from the configured
    one is logged.

    Args:
        client: Client of the environment; one request is sent.
        configured: Value of ``COLLIBRA_ENVIRONMENT``; empty if it is not set.
        log: Receives at most one line.

    Raises:
        CollibraError: If Collibra does not describe itself. Nothing may be sent in that case,
            because the identity is unknown.
        FinalizationRefusedError: If ``configured`` is a URL without a valid host name.
        UnexpectedAnswerError: If Collibra reports an unusable base URL and none is configured.
    """
    reported = (client.get_application_info().base_url or "").strip()
    own = normalize_environment(client.base_url)
    if configured.strip():
        return Environment(_configured_key(configured), reported or client.base_url)
    if not reported:
        return Environment(own, client.base_url)
    key = _reported_key(reported)
    if key != own:
        log(
            f"Collibra at {own} reports the base URL {key}, which names the ledger and the lock. "
            "Set COLLIBRA_ENVIRONMENT if two environments report the same base URL."
        )
    return Environment(key, reported)


def _configured_key(configured: str) -> str:
    try:
        return normalize_environment(configured)
    except ValueError:
        raise FinalizationRefusedError(
            "Environment not identified: COLLIBRA_ENVIRONMENT is a URL without a valid host name. "
            "Nothing was sent. Set it to a name such as production."
        ) from None


def _reported_key(reported: str) -> str:
    try:
        return normalize_environment(reported if "://" in reported else f"https://{reported}")
    except ValueError:
        raise UnexpectedAnswerError(
            "Environment not identified: Collibra reports a base URL without a valid host name. "
            "Set COLLIBRA_ENVIRONMENT to the name of this environment.",
            transient=False,
        ) from None


def resource_name(kind: str, environment: str, synchronization_id: str = "") -> str:
    """Return the name of a stored resource: variable, concurrency limit, artifact or folder.

    Names contain only ``a-z``, ``0-9`` and ``-``. The digest separates resources whose readable
    parts are equal, such as the synchronizations ``sales.eu`` and ``sales-eu``.

    Args:
        kind: Kind of the resource, such as ``lock``.
        environment: Identity of the environment.
        synchronization_id: Synchronization; empty for a resource of the whole environment.

    Example:
        ```python
        resource_name("lock", "acme.collibra.com", "sales.eu")  # collibra-lock-sales-eu-…
        ```
    """
    content = json.dumps([kind, environment, synchronization_id])
    digest = sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
    slug = _slug(synchronization_id or environment)
    return "-".join(part for part in ("collibra", _slug(kind), slug, digest) if part)


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:MAX_SLUG_LENGTH].strip("-")
