"""Authorization headers for basic, bearer and OAuth credentials, and the cache of OAuth tokens."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import (
    Response,
    parse_date,
    parse_object,
    parse_object_or_empty,
    parse_retry_after,
    read_number,
    read_text,
    shorten,
)
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    NotSentError,
    RefusedError,
    TenantFaultError,
    UnexpectedAnswerError,
)
from collibra_tasks.settings import CollibraConnection, is_token

RENEW_BEFORE_SECONDS: Final = 60.0
DEFAULT_LIFETIME_SECONDS: Final = 3600.0
MAX_LIFETIME_SECONDS: Final = 30 * 86_400.0
MAX_CLOCK_DIFFERENCE_SECONDS: Final = 60.0
TENANT_TOKEN_PATH: Final = "/rest/oauth/v2/token"  # noqa: S105 - a path
NOT_THE_CREDENTIALS: Final = {"invalid_scope": "scope", "invalid_target": "audience"}
"""OAuth error codes that have another cause than the client's credentials."""

_REPLACEMENT = (
    "Replace it, there or in the block; for scheduled runs use COLLIBRA_CLIENT_ID and "
    "COLLIBRA_CLIENT_SECRET, whose tokens are renewed"
)

FetchToken = Callable[[Request, str | None], Response]
"""Function that sends a token request with an optional ``Authorization`` header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    header: str
    renew_at: float


_tokens: dict[str, _Token] = {}
_lock = Lock()


def build_authorization(connection: CollibraConnection, fetch: FetchToken) -> str:
    """Return the value of the ``Authorization`` header.

    OAuth tokens are cached for the whole process, because token endpoints limit their requests.
    They are renewed a minute before they expire.

    Raises:
        NotSentError: If a fixed token has expired.
        RefusedError, UnexpectedAnswerError: If the token endpoint returned no token.

    Source: OAuth applications (documented, observed).
    """
    if connection.auth_type == "basic":
        return _basic(connection.username, connection.read("password"))
    if connection.auth_type == "bearer":
        _check_expiry(connection.read("token"))
        return f"Bearer {connection.read('token')}"
    with _lock:
        key = _cache_key(connection)
        token = _tokens.get(key)
        if token is None or time.monotonic() >= token.renew_at:
            token = _tokens[key] = _fetch_token(connection, fetch)
        return token.header


def discard_token(connection: CollibraConnection, header: str) -> bool:
    """Remove a rejected OAuth token from the cache; return whether a new one can be fetched."""
    if connection.auth_type != "oauth":
        return False
    with _lock:
        key = _cache_key(connection)
        token = _tokens.get(key)
        if token is not None and token.header == header:
            del _tokens[key]
    return True


def access_hint(connection: CollibraConnection, response: Response) -> str:
    """Return the next step of the user after a 401, without a full stop."""
    expired = parse_object_or_empty(response).get("errorCode") == "expiredToken"
    if connection.auth_type == "basic":
        return "Check COLLIBRA_USERNAME and COLLIBRA_PASSWORD, or these fields of the block"
    if connection.auth_type == "bearer" and expired:
        return f"The token in COLLIBRA_TOKEN expired{_expiry(connection)}. {_REPLACEMENT}"
    if connection.auth_type == "bearer":
        return "Check the token in COLLIBRA_TOKEN, or this field of the block"
    if connection.token_url:
        return "Check that Collibra accepts the tokens of the identity provider"
    return "The access token is no longer valid; it is renewed with the next request"


def read_expiry(token: str) -> datetime | None:
    """Return the expiry of a JWT in UTC, or ``None`` if the token does not hold one."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    return parse_date(claims.get("exp")) if isinstance(claims, dict) else None


def _check_expiry(token: str) -> None:
    expiry, now = read_expiry(token), datetime.now(tz=UTC)
    if expiry and (now - expiry).total_seconds() > MAX_CLOCK_DIFFERENCE_SECONDS:
        raise NotSentError(
            f"Request not sent: the token in COLLIBRA_TOKEN expired at {_format(expiry)} "
            f"(this machine's clock: {_format(now)}). {_REPLACEMENT}.",
            transient=False,
        )


def _expiry(connection: CollibraConnection) -> str:
    expiry = read_expiry(connection.read("token"))
    return f" at {_format(expiry)}" if expiry else ""


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _fetch_token(connection: CollibraConnection, fetch: FetchToken) -> _Token:
    started = time.monotonic()
    request, header = _build_token_request(connection)
    response = fetch(request, header)
    if error := _token_error(request, response):
        raise error
    content = parse_object(request, response)
    token = content.get("access_token")
    if not isinstance(token, str) or not token or not is_token(token):
        raise UnexpectedAnswerError(
            f"Could not {request.description}: the response holds no access token. "
            f"{request.next_step}"
        )
    lifetime = _read_lifetime(token, content)
    margin = min(RENEW_BEFORE_SECONDS, lifetime / 2)
    return _Token(header=f"Bearer {token}", renew_at=started + lifetime - margin)


def _build_token_request(connection: CollibraConnection) -> tuple[Request, str | None]:
    """Return the token request and its ``Authorization`` header.

    Collibra's own client IDs contain colons, which would end the user name of a Basic header;
    RFC 6749 therefore encodes both parts. Source: OAuth applications (documented).
    """
    form = {"grant_type": "client_credentials"}
    form |= {name: text for name in ("scope", "audience") if (text := connection.read(name))}
    client_id, secret = connection.client_id, connection.read("client_secret")
    header = None
    if connection.client_auth == "form":
        form |= {"client_id": client_id, "client_secret": secret}
    else:
        header = _basic(quote_plus(client_id), quote_plus(secret))
    url = connection.token_url or TENANT_TOKEN_PATH
    name = "COLLIBRA_TOKEN_URL" if connection.token_url else "COLLIBRA_BASE_URL"
    request = Request(
        method="POST",
        path=url,
        form=form,
        description=f"get an access token from {_show_url(connection)}",
        next_step=f"Check {name}, or this field of the block.",
    )
    return request, header


def _show_url(connection: CollibraConnection) -> str:
    url = urlsplit(connection.token_url or connection.base_url + TENANT_TOKEN_PATH)
    return url._replace(query="", fragment="").geturl()


def _token_error(request: Request, response: Response) -> CollibraError | None:
    # Source: RFC 6749, section 5.2, for the fields of the body.
    status = response.status_code
    if status < 300:  # noqa: PLR2004 - the range of successes
        return None
    content = parse_object_or_empty(response)
    code = read_text(content.get("error")) or read_text(content.get("errorCode"))
    text = read_text(content.get("error_description")) or read_text(content.get("userMessage"))
    shown = shorten(": ".join(part for part in (code, text) if part))
    failure = f"Could not {request.description}: the response was {status}"
    failure += f" ({shown})" if shown else ""
    fields: dict[str, Any] = {"status_code": status, "error_code": code, "user_message": text}
    if status < 400:  # noqa: PLR2004 - the range of redirects
        return UnexpectedAnswerError(f"{failure}, a redirect. {request.next_step}")
    if status == 429:  # noqa: PLR2004
        pause = parse_retry_after(response)
        return BusyError(f"{failure}. Try again later.", retry_after_seconds=pause, **fields)
    if status >= 500:  # noqa: PLR2004
        return TenantFaultError(f"{failure}. Try again later.", **fields)
    if not code:
        return RefusedError(f"{failure}. {request.next_step}", **fields)
    return AccessDeniedError(f"{failure}. {_check_client(code)}", **fields)


def _check_client(code: str) -> str:
    if name := NOT_THE_CREDENTIALS.get(code):
        return f"Check COLLIBRA_{name.upper()}, or this field of the block."
    return (
        "Check COLLIBRA_CLIENT_ID, COLLIBRA_CLIENT_SECRET and COLLIBRA_CLIENT_AUTH, or these "
        "fields of the block."
    )


def _read_lifetime(token: str, content: dict[str, Any]) -> float:
    given = content.get("expires_in")
    seconds = read_number(int(given) if isinstance(given, str) and _is_count(given) else given)
    if seconds is None and (expiry := read_expiry(token)):
        seconds = (expiry - datetime.now(tz=UTC)).total_seconds()
    if seconds is None:
        return DEFAULT_LIFETIME_SECONDS
    return min(max(0.0, seconds), MAX_LIFETIME_SECONDS)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9  # noqa: PLR2004


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _cache_key(connection: CollibraConnection) -> str:
    names = ("base_url", "token_url", "client_id", "client_secret", "scope", "audience")
    parts = [*map(connection.read, names), connection.client_auth]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
