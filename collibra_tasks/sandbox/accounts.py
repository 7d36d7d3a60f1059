"""Accounts and their tokens: Collibra's token endpoint and that of an identity provider."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote, unquote_plus
from uuid import uuid4

import httpx

from collibra_tasks.sandbox.http import RequestRefusedError, json_response

if TYPE_CHECKING:
    from collibra_tasks.sandbox.tenant import Call

FORM = "application/x-www-form-urlencoded"
IDENTITY_PROVIDER_PATH = "/idp/token"

Credentials = tuple[str, str]


def new_jwt() -> str:
    """Return a random token in the form of a JWT."""
    head = {"alg": "RS256", "typ": "JWT"}
    claims = {"sub": "sandbox", "jti": secrets.token_hex(8)}
    pieces = [json.dumps(head).encode(), json.dumps(claims).encode(), secrets.token_bytes(32)]
    return ".".join(base64.urlsafe_b64encode(piece).decode().rstrip("=") for piece in pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's account.

    Attributes:
        token: Bearer token that stands for the account and has no end of its own.
    """

    username: str
    user_id: str = field(default_factory=lambda: str(uuid4()))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    token: str = field(default_factory=new_jwt, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An OAuth client.

    Attributes:
        user_id: The user to whom Collibra attributes its requests.
    """

    client_id: str
    user_id: str
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class IssuedToken(NamedTuple):
    """The owner and the end of a token."""

    user_id: str
    expires_on: datetime


class Accounts:
    """The accounts of a tenant, an OAuth application, and a client of an identity provider.

    Source: an application's actions are attributed to its own user, *documented*; the subject of
    an identity provider's token is a Collibra user, *documented*, here the first account.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Create one account, one application and one client of the identity provider."""
        self.clock = clock
        first = Account(username="sandbox")
        self.people = [first]
        self.application = Application(
            client_id=f"urn:sys:env:sandbox:i:{uuid4()}", user_id=str(uuid4())
        )
        self.provider_client = Application(client_id="collibra-loader", user_id=first.user_id)
        self._issued: dict[str, IssuedToken] = {}
        self._expired: set[str] = set()

    def name_of(self, user_id: str) -> str:
        """Return the user name of an account or application."""
        names = {account.user_id: account.username for account in self.people}
        return names.get(user_id, self.application.client_id)

    def identify(self, request: httpx.Request) -> str:
        """Return the user ID of a request, or refuse the request."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return self._identify_basic(read_basic(credentials))
        if scheme.lower() == "bearer":
            return self._identify_bearer(credentials.strip())
        raise unauthorized()

    def _identify_basic(self, credentials: Credentials | None) -> str:
        for account in self.people:
            if credentials == (account.username, account.password):
                return account.user_id
        raise unauthorized()

    def _identify_bearer(self, token: str) -> str:
        if token in self._expired:
            raise unauthorized("The token has expired.", code="expiredToken")
        for account in self.people:
            if token == account.token:
                return account.user_id
        issued = self._issued.get(token)
        if issued is None:
            code = "invalidToken" if token.count(".") == 2 else "malformedToken"  # noqa: PLR2004
            raise unauthorized(code=code)
        if issued.expires_on <= self.clock():
            raise unauthorized("The token has expired.", code="expiredToken")
        return issued.user_id

    def issue_token(self, user_id: str, seconds: float) -> str:
        """Return a new token."""
        token = new_jwt()
        self._issued[token] = IssuedToken(user_id, self.clock() + timedelta(seconds=seconds))
        return token

    def expire_tokens(self, *, fixed: bool) -> None:
        """Expire all issued tokens, and optionally the fixed ones of the accounts."""
        self._expired.update(self._issued)
        if fixed:
            self._expired.update(account.token for account in self.people)


def unauthorized(
    message: str = "Failed to authenticate the request.", *, code: str | None = None
) -> RequestRefusedError:
    """Return the refusal of a request without valid credentials."""
    return RequestRefusedError(401, message, code=code)


def read_basic(credentials: str) -> Credentials | None:
    """Return the two halves of a basic authorization, or None if it cannot be parsed."""
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def post_token(call: Call) -> httpx.Response:
    """Issue a token of Collibra's own OAuth endpoint.

    Source: the client authenticates in a Basic header, with its URL-encoded ID, or in the form,
    *documented*; any scope is refused, *observed*.
    """
    form = _read_form(call.request)
    application = call.state.accounts.application
    refusal = _check_grant(form)
    if refusal:
        return refusal
    header = _read_header(call.request)
    decoded = (unquote(header[0]), unquote(header[1])) if header else None
    if (decoded or _form_credentials(form)) != (application.client_id, application.client_secret):
        return _oauth_error("invalid_client", "no such client", status=401)
    if "scope" in form:
        return _oauth_error("invalid_scope", "the application's settings decide its scope")
    return _token_response(call, application, call.state.settings.token_seconds)


def post_identity_provider_token(call: Call) -> httpx.Response:
    """Issue a token of an external identity provider, which the tenant accepts as bearer.

    Source: RFC 6749, section 2.3.1: the ID and the secret in a Basic header are form-encoded, and
    a request uses one of the two methods. ``invalid_target`` is that of RFC 8707.
    """
    form, settings = _read_form(call.request), call.state.settings
    client = call.state.accounts.provider_client
    header = _read_header(call.request)
    refusal = _check_grant(form)
    if refusal:
        return refusal
    if header and "client_secret" in form:
        return _oauth_error("invalid_request", "the client authenticates twice")
    method = "basic" if header else "form"
    decoded = (unquote_plus(header[0]), unquote_plus(header[1])) if header else None
    is_known = (decoded or _form_credentials(form)) == (client.client_id, client.client_secret)
    if not is_known or settings.identity_provider_auth not in ("any", method):
        return _oauth_error("invalid_client", "client authentication failed", status=401)
    if form.get("scope") != (settings.identity_provider_scope or form.get("scope")):
        return _oauth_error("invalid_scope", "the scope is not known")
    if form.get("audience") != (settings.identity_provider_audience or form.get("audience")):
        return _oauth_error("invalid_target", "the audience is not known")
    return _token_response(call, client, settings.identity_provider_token_seconds)


def _token_response(call: Call, application: Application, seconds: float) -> httpx.Response:
    token = call.state.accounts.issue_token(application.user_id, seconds)
    return json_response(
        {"access_token": token, "token_type": "Bearer", "expires_in": int(seconds)}
    )


def _check_grant(form: dict[str, str]) -> httpx.Response | None:
    if "grant_type" not in form:
        return _oauth_error("invalid_request", "grant_type is missing from the form")
    if form["grant_type"] != "client_credentials":
        return _oauth_error("unsupported_grant_type", "only client_credentials is known")
    return None


def _read_form(request: httpx.Request) -> dict[str, str]:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    fields = parse_qs(request.content.decode(errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _read_header(request: httpx.Request) -> Credentials | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return (read_basic(credentials) or ("", "")) if scheme.lower() == "basic" else None


def _form_credentials(form: dict[str, str]) -> Credentials:
    return form.get("client_id", ""), form.get("client_secret", "")


def _oauth_error(error: str, description: str, *, status: int = 400) -> httpx.Response:
    return json_response({"error": error, "error_description": description}, status=status)
