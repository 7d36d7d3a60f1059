"""Who may ask, and how they show who they are."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote
from uuid import uuid4

from collibra_tasks.sandbox.messages import Request
from collibra_tasks.sandbox.refusals import RefusalError

UNAUTHORIZED = 401
TOKEN_SECONDS = 3600


def _token_like_a_jwt() -> str:
    head = {"alg": "RS256", "typ": "JWT"}
    claims = {"sub": "sandbox", "jti": secrets.token_hex(8)}
    pieces = [json.dumps(head).encode(), json.dumps(claims).encode(), secrets.token_bytes(32)]
    return ".".join(base64.urlsafe_b64encode(piece).decode().rstrip("=") for piece in pieces)


@dataclass(slots=True, kw_only=True)
class Accounts:
    """One person's account, and one OAuth application with a system user of its own.

    Source: an application's actions are attributed to its own user, *documented*.
    """

    clock: Callable[[], datetime]
    user_id: str = field(default_factory=lambda: str(uuid4()))
    app_user_id: str = field(default_factory=lambda: str(uuid4()))
    username: str = "sandbox"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    token: str = field(default_factory=_token_like_a_jwt)
    client_id: str = field(default_factory=lambda: f"urn:sys:env:sandbox:i:{uuid4()}")
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    token_seconds: int = TOKEN_SECONDS
    _ends_of_tokens: dict[str, datetime] = field(default_factory=dict)

    def who_asks(self, request: Request) -> str:
        """Return the user's id, or refuse."""
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic" and read_basic(shown) == (self.username, self.password):
            return self.user_id
        if scheme.lower() == "bearer":
            return self._who_bears(shown.strip())
        raise RefusalError(UNAUTHORIZED, "Failed to authenticate the request.")

    def _who_bears(self, token: str) -> str:
        if token == self.token:
            return self.user_id
        end = self._ends_of_tokens.get(token)
        if end is None:
            raise RefusalError(UNAUTHORIZED, "Failed to authenticate the request.")
        if end <= self.clock():
            raise RefusalError(UNAUTHORIZED, "The token has expired.", code="expiredToken")
        return self.app_user_id

    def new_token(self) -> str:
        """Hand out a token for the application."""
        token = _token_like_a_jwt()
        self._ends_of_tokens[token] = self.clock() + timedelta(seconds=self.token_seconds)
        return token

    def expire_tokens(self) -> None:
        """Let every token end that was handed out so far."""
        self._ends_of_tokens = dict.fromkeys(self._ends_of_tokens, self.clock())


def read_basic(shown: str, *, url_encoded: bool = False) -> tuple[str, str] | None:
    """Return the two halves of a basic authorization, or None where it cannot be read."""
    try:
        name, colon, password = base64.b64decode(shown, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not colon:
        return None
    return (unquote(name), unquote(password)) if url_encoded else (name, password)
