"""Authenticated exchange of one request and its response."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final
from urllib.parse import quote, quote_plus, urlsplit

import httpx

from collibra_tasks.api import auth
from collibra_tasks.api.deadline import Deadline
from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import Response, error_from_response, shorten
from collibra_tasks.errors import CollibraError, NotSentError, OutcomeUnknownError
from collibra_tasks.settings import CollibraConnection

NOT_SENT_ERRORS: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Exceptions that httpx raises before it sends the first byte of a request."""

MIN_HIDDEN_LENGTH: Final = 4


class Session:
    """Sender of requests with credentials, deadline and error mapping.

    A write is never sent twice. Redirects are not followed, so credentials reach the configured
    host only. Every request has its own connection: reusing one that a gateway dropped would make
    the outcome of a write unknown without need. Cookies are ignored, because Collibra requires a
    CSRF token in requests that carry a session cookie.
    """

    def __init__(
        self, connection: CollibraConnection, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Prepare the HTTP client; nothing is sent.

        Raises:
            NotSentError: If the CA bundle is not readable or the proxy is not a URL.
        """
        self.connection = connection
        self.last_server_time: datetime | None = None
        self._secrets = _list_secrets(connection)
        self._http = _build_http_client(connection, transport)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @property
    def server_time(self) -> datetime:
        """Collibra's clock in the last response, in UTC; this machine's clock before that."""
        return self.last_server_time or datetime.now(tz=UTC)

    def send(self, request: Request) -> Response:
        """Send a request and return a successful response.

        Raises:
            CollibraError: For every other outcome, as the error that it means.
        """
        header = self._authorize(request)
        response = self._exchange(request, header)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            renewable = auth.discard_token(self.connection, header)
            if renewable and not request.write:
                response = self._exchange(request, self._authorize(request))
        self.last_server_time = response.server_time or self.last_server_time
        hint = auth.access_hint(self.connection, response)
        if error := error_from_response(request, response, access_hint=hint):
            raise error
        return response

    def _authorize(self, request: Request) -> str:
        try:
            return auth.build_authorization(self.connection, self._exchange)
        except CollibraError as error:
            error.part = error.part or "token"
            if not request.write:
                raise
            # Without a token the write was certainly not sent, whatever became of the token.
            raise NotSentError(
                f"Could not {request.description}: {error} Nothing else was sent.",
                transient=error.transient,
            ) from error

    def _exchange(self, request: Request, authorization: str | None) -> Response:
        try:
            return self._transfer(request, authorization)
        except NOT_SENT_ERRORS as error:
            raise self._not_sent(request, error) from None
        except httpx.HTTPError as error:
            raise _lost(request, error) from None

    def _transfer(self, request: Request, authorization: str | None) -> Response:
        headers = {"Accept": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
            self._secrets |= _spellings(authorization.rpartition(" ")[2])
        with (
            Deadline(self.connection.request_timeout_seconds) as deadline,
            self._http.stream(
                request.method,
                request.path,
                params=request.params or None,
                files=request.form_fields,
                data=request.form,
                headers=headers,
                extensions={"trace": deadline.trace},
            ) as response,
        ):
            content = response.read()
            return Response(
                status_code=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=content if response.is_success else self._hide_bytes(content),
            )

    def _not_sent(self, request: Request, error: Exception) -> NotSentError:
        url = urlsplit(request.path if "://" in request.path else self.connection.base_url)
        cause = shorten(self._hide(str(error))) or type(error).__name__
        is_certificate = _is_about_certificate(error)
        field = "COLLIBRA_CA_BUNDLE" if is_certificate else "the URL and the network"
        failure = NotSentError(
            f"Could not {request.description}: {url.scheme}://{url.netloc} was not reached "
            f"({cause}). Nothing was sent. Check {field}."
        )
        failure.part = "certificate" if is_certificate else ""
        return failure

    def _hide(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _hide_bytes(self, content: bytes) -> bytes:
        # A server that repeats a credential in its error message must not lead to a leak.
        for secret in sorted(self._secrets, key=len, reverse=True):
            content = content.replace(secret.encode(), b"***")
        return content


def _lost(request: Request, error: httpx.HTTPError) -> OutcomeUnknownError:
    # Only the type is shown: the text of a protocol error can quote a header, and so a secret.
    step = "Try again later."
    if request.write:
        step = (
            "Collibra may have carried it out. Do not repeat it before you have checked the jobs "
            "in Collibra."
        )
    return OutcomeUnknownError(
        f"Could not {request.description}: the response was lost ({type(error).__name__}). {step}"
    )


def _is_about_certificate(error: BaseException | None) -> bool:
    """Whether the TLS library refused the server's certificate; httpx keeps its error as cause."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _list_secrets(connection: CollibraConnection) -> set[str]:
    texts = [connection.read(name) for name in ("password", "token", "client_secret", "proxy")]
    texts.append(_read_proxy_password(connection.read("proxy")))
    return {form for text in texts for form in _spellings(text)}


def _read_proxy_password(proxy: str) -> str:
    try:
        return urlsplit(proxy).password or ""
    except ValueError:
        return ""


def _spellings(secret: str) -> set[str]:
    """Return the forms in which a server may repeat a secret: plain, in a URL, or in JSON."""
    forms = (secret, quote_plus(secret), quote(secret), json.dumps(secret)[1:-1])
    return {form for form in forms if len(form) >= MIN_HIDDEN_LENGTH}


def _build_http_client(
    connection: CollibraConnection, transport: httpx.BaseTransport | None
) -> httpx.Client:
    try:
        return httpx.Client(
            base_url=connection.base_url,
            timeout=connection.request_timeout_seconds,
            verify=_build_ssl_context(connection) if transport is None else True,
            proxy=connection.read("proxy") or None,
            transport=transport,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
    except OSError:
        fault = f"the CA bundle {connection.ca_bundle!r} is not a readable PEM file"
        field = "COLLIBRA_CA_BUNDLE"
    except (ValueError, httpx.InvalidURL):
        fault = "the proxy is not a URL such as http://proxy.example.com:3128"
        field = "COLLIBRA_PROXY"
    raise NotSentError(
        f"No request sent: {fault}. Check {field}, or this field of the block.", transient=False
    )


def _build_ssl_context(connection: CollibraConnection) -> ssl.SSLContext:
    if connection.ca_bundle:
        return ssl.create_default_context(cafile=connection.ca_bundle)
    return httpx.create_ssl_context()
