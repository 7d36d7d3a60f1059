"""``/rest/2.0/files``.

Source: Core API 2.0, *documented*; an upload answers 201 with an array.
"""

from __future__ import annotations

from collibra_tasks.sandbox.files import StoredFile
from collibra_tasks.sandbox.form import read_form
from collibra_tasks.sandbox.messages import Answer, empty_answer, json_answer
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.state import Call

BAD_REQUEST, CREATED, NO_CONTENT = 400, 201, 204


def upload(call: Call) -> Answer:
    """Keep a file."""
    part = read_form(call.request).parts.get("file")
    if part is None:
        raise RefusalError(BAD_REQUEST, "the form has no part named file")
    stored = StoredFile(
        name=part.filename or "file",
        content_type=part.content_type or "application/octet-stream",
        content=part.content,
    )
    call.state.files[stored.id] = stored
    return json_answer([stored.body()], status=CREATED)


def describe(call: Call) -> Answer:
    """Tell what is known of a file."""
    return json_answer(call.state.files.find(call.arguments[0]).body())


def delete(call: Call) -> Answer:
    """Delete a file."""
    del call.state.files[call.state.files.find(call.arguments[0]).id]
    return empty_answer(NO_CONTENT)
