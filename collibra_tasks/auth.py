"""Proving who we are: the ``Authorization`` header of each kind of credentials."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import quote_plus

from collibra_tasks.errors import UnexpectedAnswerError
from collibra_tasks.settings import CollibraConnection

RENEW_BEFORE_SECONDS = 60.0
DEFAULT_LIFE_SECONDS = 3600.0

AskForToken = Callable[[str], dict[str, Any]]
"""Sends the Basic header of an OAuth application, returns the token endpoint's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    header: str
    renew_at: float


_tokens: dict[str, _Token] = {}
_lock = Lock()


def authorization(connection: CollibraConnection, ask_for_token: AskForToken) -> str:
    """Return the value of the ``Authorization`` header.

    An OAuth token is kept for the whole process, since the token endpoint too counts its calls, and
    renewed a minute before it expires. Source: OAuth applications (documented, observed).
    """
    if connection.auth_type == "basic":
        return _basic(connection.username, connection.password.get_secret_value())
    if connection.auth_type == "bearer":
        return f"Bearer {connection.token.get_secret_value()}"
    with _lock:
        key = _key(connection)
        token = _tokens.get(key)
        if token is None or time.monotonic() >= token.renew_at:
            token = _tokens[key] = _new_token(connection, ask_for_token)
        return token.header


def renew(connection: CollibraConnection, header: str) -> bool:
    """Drop the token that the tenant no longer takes; say whether a new one can be had."""
    with _lock:
        key = _key(connection)
        token = _tokens.get(key)
        if token is not None and token.header == header:
            del _tokens[key]
    return connection.auth_type == "oauth"


def _new_token(connection: CollibraConnection, ask_for_token: AskForToken) -> _Token:
    # The client id contains colons, which would end the user name of a Basic header.
    client_id = quote_plus(connection.client_id)
    client_secret = quote_plus(connection.client_secret.get_secret_value())
    asked_at = time.monotonic()
    said = ask_for_token(_basic(client_id, client_secret))
    token = said.get("access_token")
    if not isinstance(token, str) or not token.isprintable():
        message = "could not ask for an OAuth token: the answer contains none"
        raise UnexpectedAnswerError(message)
    life = said.get("expires_in")
    life = float(life) if isinstance(life, int | float) else DEFAULT_LIFE_SECONDS
    margin = min(RENEW_BEFORE_SECONDS, life / 2)
    return _Token(header=f"Bearer {token}", renew_at=asked_at + life - margin)


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _key(connection: CollibraConnection) -> str:
    secret = connection.client_secret.get_secret_value()
    return hashlib.sha256(
        f"{connection.base_url}\0{connection.client_id}\0{secret}".encode()
    ).hexdigest()
