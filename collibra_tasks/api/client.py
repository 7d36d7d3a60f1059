"""HTTP client for Collibra, with one method per endpoint."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from collibra_tasks.api import decoding, requests
from collibra_tasks.api.job_endpoints import JobEndpoints
from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import parse_boolean, parse_object
from collibra_tasks.api.session import Session
from collibra_tasks.errors import AccessDeniedError, NotFoundError
from collibra_tasks.models import (
    Account,
    ApplicationInfo,
    CollibraVersion,
    FinalizationRequest,
    Job,
    Status,
    Upload,
)
from collibra_tasks.options import BatchOptions
from collibra_tasks.settings import CollibraConnection

APPLICATION_INFO: Final = Request(
    method="GET", path="/rest/2.0/application/info", description="read the application info"
)


class CollibraClient(JobEndpoints):
    """Client of one Collibra environment; a context manager.

    The client neither waits nor repeats a write. Every method may raise ``NotSentError``,
    ``OutcomeUnknownError``, ``RefusedError`` and its subclasses, and ``UnexpectedAnswerError``.

    Example:
        ```python
        with CollibraClient(CollibraSettings()) as client:
            print(client.get_application_info().version)
        ```
    """

    def __init__(
        self, connection: CollibraConnection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Prepare the client; nothing is sent.

        Args:
            connection: URL and credentials.
            transport: Replacement of the network in tests.

        Raises:
            NotSentError: If the CA bundle is not readable or the proxy is not a URL.
        """
        self._session = Session(connection, transport)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self._session.close()

    @property
    def base_url(self) -> str:
        """Configured URL of the Collibra environment."""
        return self._session.connection.base_url

    @property
    def server_time(self) -> datetime:
        """Collibra's clock in the last response, in UTC; this machine's clock before that."""
        return self._session.server_time

    def get_application_info(self) -> ApplicationInfo:
        """Return the environment's own URL and version. Source: Core API (documented)."""
        response = self._session.send(APPLICATION_INFO)
        return decoding.decode_application_info(parse_object(APPLICATION_INFO, response))

    def get_server_time(self) -> datetime:
        """Return Collibra's clock in UTC; this machine's clock if the Date header is broken."""
        response = self._session.send(APPLICATION_INFO)
        return response.server_time or self.server_time

    def get_account(self) -> Account | None:
        """Return the account of the credentials, or ``None`` if it may not be read.

        Source: Core API (documented).
        """
        try:
            content = self._get_object("/rest/2.0/users/current", "read the account")
        except NotFoundError:
            return None
        except AccessDeniedError as error:
            if error.status_code == httpx.codes.UNAUTHORIZED:
                raise
            return None
        return decoding.decode_account(content)

    def get_status(self, status_id: str) -> Status:
        """Return a status.

        Raises:
            NotFoundError: If the status does not exist.

        Source: Core API (documented).
        """
        path = f"/rest/2.0/statuses/{quote(status_id, safe='')}"
        return decoding.decode_status(self._get_object(path, f"read status {status_id}"))

    def synchronization_exists(self, synchronization_id: str) -> bool:
        """Return whether Collibra has a synchronization. Source: Import API (documented)."""
        request = Request(
            method="GET",
            path=f"/rest/2.0/import/synchronize/exists/{quote(synchronization_id, safe='')}",
            description=f"check that synchronization {synchronization_id!r} exists",
        )
        return parse_boolean(request, self._session.send(request))

    def evict_synchronization(self, synchronization_id: str) -> None:
        """Clear the hash cache, so that unchanged commands run again in the next cycle.

        Source: Import API (documented).
        """
        self._session.send(
            Request(
                method="DELETE",
                path=f"{requests.synchronization_path(synchronization_id)}/evict",
                description=f"clear the cache of synchronization {synchronization_id!r}",
            )
        )

    def submit_finalization(
        self, request: FinalizationRequest, *, version: CollibraVersion | None = None
    ) -> Job:
        """Close a cycle and return the started job, of which only the ID is certain.

        Args:
            request: Parameters of the finalization.
            version: Release of Collibra; ``None`` counts as a current one.

        Raises:
            OutcomeUnknownError: If there was no clear response. Never send it again.
        """
        return self._submit(requests.build_finalization_request(request, version))

    def submit_batch(self, synchronization_id: str, upload: Upload, options: BatchOptions) -> Job:
        """Send one batch and return the started job, of which only the ID is certain.

        Raises:
            FinalizationRefusedError: If the synchronization ID is not usable.
            OutcomeUnknownError: If there was no clear response.
        """
        return self._submit(requests.build_batch_request(synchronization_id, upload, options))

    def submit_validation(self, upload: Upload) -> Job:
        """Start a simulated plain import of commands, which changes nothing, and return its job.

        Raises:
            OutcomeUnknownError: If there was no clear response.
        """
        return self._submit(requests.build_validation_request(upload))

    def _submit(self, request: Request) -> Job:
        return decoding.decode_submitted_job(request, self._session.send(request))

    def _get_object(self, path: str, description: str) -> dict[str, Any]:
        request = Request(method="GET", path=path, description=description)
        return parse_object(request, self._session.send(request))
