"""``/rest/oauth/v2/token``: OAuth 2.0 client credentials."""

from __future__ import annotations

from urllib.parse import parse_qs

from collibra_tasks.sandbox.accounts import Accounts, read_basic
from collibra_tasks.sandbox.messages import Answer, Request, json_answer
from collibra_tasks.sandbox.state import Call

BAD_REQUEST, UNAUTHORIZED = 400, 401
FORM = "application/x-www-form-urlencoded"


def grant_token(call: Call) -> Answer:
    """Hand out a token.

    Source: the client shows itself by basic authorization, its id URL-encoded, or in the form,
    *documented*; any scope is refused, *observed*.
    """
    form = _read_form(call.request)
    accounts = call.state.accounts
    if form is None or "grant_type" not in form:
        return _oauth_error("invalid_request", "grant_type is missing from the form")
    if form["grant_type"] != "client_credentials":
        return _oauth_error("unsupported_grant_type", "only client_credentials is known")
    if _credentials(call.request, form) != (accounts.client_id, accounts.client_secret):
        return _oauth_error("invalid_client", "no such client", status=UNAUTHORIZED)
    if "scope" in form:
        return _oauth_error("invalid_scope", "the application's settings decide its scope")
    return _granted(accounts)


def _granted(accounts: Accounts) -> Answer:
    return json_answer(
        {
            "access_token": accounts.new_token(),
            "token_type": "Bearer",
            "expires_in": accounts.token_seconds,
        }
    )


def _read_form(request: Request) -> dict[str, str] | None:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM:
        return None
    fields = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str] | None:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return read_basic(shown, url_encoded=True)
    return form.get("client_id", ""), form.get("client_secret", "")


def _oauth_error(error: str, description: str, *, status: int = BAD_REQUEST) -> Answer:
    return json_answer({"error": error, "error_description": description}, status=status)
