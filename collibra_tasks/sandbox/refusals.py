"""How the tenant says no."""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

from collibra_tasks.sandbox.messages import Answer, json_answer

CODES = {
    400: "invalidRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    415: "unsupportedMediaType",
    429: "tooManyRequests",
    503: "serviceUnavailable",
}


class RefusalError(Exception):
    """An endpoint will not do what it was asked."""

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        """Keep what the envelope will say."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code

    def answer(self) -> Answer:
        """Return the refusal in Collibra's envelope."""
        return refuse(self.status, self.message, code=self.code)


def refuse(status: int, message: str, *, code: str | None = None) -> Answer:
    """Answer with Collibra's error envelope.

    Source: Job API 1.0 ``StandardErrorResponse``, *documented*; the same keys on ``/rest/2.0``,
    *observed*. Most of the codes themselves are *assumed*.
    """
    envelope = {
        "statusCode": status,
        "errorCode": code or CODES.get(status, "internalServerError"),
        "titleMessage": _title(status),
        "userMessage": message,
        "helpMessage": "Check the request and try again.",
        "errorContext": str(uuid4()),
    }
    return json_answer(envelope, status=status)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
