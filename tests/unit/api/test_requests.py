"""Promises of the requests that write, as Collibra receives them."""

import json
from email.message import Message
from email.parser import BytesParser
from io import BytesIO

import httpx
import pytest

from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    AttributesAction,
    CollibraVersion,
    FinalizationRequest,
    FinalizationStrategy,
    RelationsAction,
    Upload,
)
from collibra_tasks.options import BatchOptions
from tests.support.clients import Server, json_response

STRATEGIES = list(FinalizationStrategy)
CHANGE_STATUS = FinalizationRequest(
    "nightly", FinalizationStrategy.CHANGE_STATUS, MISSING_FROM_SOURCE
)


def parts_of(request: httpx.Request) -> dict[str, Message]:
    """Return the parts of a multipart form by name."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = BytesParser().parsebytes(head + request.content)
    assert form.is_multipart()
    return {
        str(part.get_param("name", header="content-disposition")): part
        for part in form.get_payload()
        if isinstance(part, Message)
    }


def text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def sent_finalization(
    request: FinalizationRequest, version: CollibraVersion | None = None
) -> dict[str, Message]:
    server = Server({"/finalize/job": json_response({"id": "1"})})
    with server.client() as client:
        client.submit_finalization(request, version=version)
    return parts_of(server.requests[0])


def sent_batch(options: BatchOptions, upload: Upload) -> dict[str, Message]:
    server = Server({"/synchronize/nightly/batch/json-job": json_response({"id": "1"})})
    with server.client() as client:
        client.submit_batch("nightly", upload, options)
    return parts_of(server.requests[0])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_finalization_always_sends_strategy(strategy: FinalizationStrategy) -> None:
    """No finalization relies on Collibra's default strategy, which deletes."""
    parts = sent_finalization(FinalizationRequest("nightly", strategy, MISSING_FROM_SOURCE))

    assert strategy.value == text_of(parts["finalizationStrategy"])


@pytest.mark.parametrize("strategy", ["REMOVE_RESOURCES", "IGNORE"])
def test_finalization_sends_status_with_change_status_only(strategy: str) -> None:
    """A status that is given for another strategy is not sent, and the form is never empty."""
    request = FinalizationRequest("nightly", FinalizationStrategy(strategy), MISSING_FROM_SOURCE)

    assert {"finalizationStrategy", "sendNotification"} == sent_finalization(request).keys()


@pytest.mark.parametrize("version", [(2022, 8), (2026, 7), (6, 0), (0, 9), None])
def test_finalization_for_current_release_sends_status_id(version: tuple[int, int] | None) -> None:
    """Releases from 2022.08 on, and unknown ones, get missingAssetStatusId."""
    release = version and CollibraVersion(major=version[0], minor=version[1], text="")
    parts = sent_finalization(CHANGE_STATUS, release)

    assert MISSING_FROM_SOURCE == text_of(parts["missingAssetStatusId"])
    assert "finalizationParameters" not in parts


@pytest.mark.parametrize("version", [(2022, 7), (2021, 10), (5, 7), (1, 0)])
def test_finalization_for_older_release_sends_parameters(version: tuple[int, int]) -> None:
    """Releases before 2022.08 get finalizationParameters, as JSON with its content type."""
    release = CollibraVersion(major=version[0], minor=version[1], text="")
    parts = sent_finalization(CHANGE_STATUS, release)

    assert {"STATUS_ID": MISSING_FROM_SOURCE} == json.loads(
        text_of(parts["finalizationParameters"])
    )
    assert "application/json" == parts["finalizationParameters"].get_content_type()
    assert "missingAssetStatusId" not in parts


@pytest.mark.parametrize(("notify", "text"), [(True, "true"), (False, "false")])
def test_finalization_sends_lowercase_booleans(notify: bool, text: str) -> None:  # noqa: FBT001
    """A boolean is sent as true or false, in lower case."""
    request = FinalizationRequest("a", FinalizationStrategy.IGNORE, send_notification=notify)

    assert text == text_of(sent_finalization(request)["sendNotification"])


@pytest.mark.parametrize("synchronization_id", ["a b", "é", "x" * 50, "50%", "a?b#c"])
def test_finalization_encodes_synchronization_id(synchronization_id: str) -> None:
    """Characters with a meaning in URLs do not change which synchronization is finalized."""
    server = Server({"/finalize/job": json_response({"id": "1"})})
    with server.client() as client:
        client.submit_finalization(
            FinalizationRequest(synchronization_id, FinalizationStrategy.IGNORE)
        )

    path = f"/rest/2.0/import/synchronize/{synchronization_id}/finalize/job"
    assert path == server.requests[0].url.path
    assert b"" == server.requests[0].url.query


@pytest.mark.parametrize("content", [b'[{"a": 1}]', BytesIO(b'[{"a": 1}]')])
def test_batch_sends_file_with_its_name(content: bytes | BytesIO) -> None:
    """A batch carries its commands as a file, from bytes or from an open file."""
    parts = sent_batch(BatchOptions(), Upload(content, "batch-1.json"))

    assert '[{"a": 1}]' == text_of(parts["file"])
    assert "batch-1.json" == parts["file"].get_filename() == text_of(parts["fileName"])


@pytest.mark.parametrize(("keep", "text"), [(True, "true"), (False, "false")])
def test_batch_always_sends_continue_on_error(keep: bool, text: str) -> None:  # noqa: FBT001
    """No batch relies on Collibra's default of continueOnError, which changed with 2026.07."""
    parts = sent_batch(BatchOptions(continue_on_error=keep), Upload(b"[]", "a.json"))

    assert text == text_of(parts["continueOnError"])


def test_batch_sends_actions_only_if_chosen() -> None:
    """Actions on relations and attributes are sent as chosen, and otherwise left to Collibra."""
    upload = Upload(b"[]", "a.json")
    options = BatchOptions(
        relations_action=RelationsAction.ADD_OR_IGNORE, attributes_action=AttributesAction.REPLACE
    )
    parts = sent_batch(options, upload)

    assert "ADD_OR_IGNORE" == text_of(parts["relationsAction"])
    assert "REPLACE" == text_of(parts["attributesAction"])
    assert {"continueOnError", "fileName", "file"} == sent_batch(BatchOptions(), upload).keys()


def test_validation_simulates_a_plain_import() -> None:
    """A validation is a plain import with simulation and without continueOnError."""
    server = Server({"/rest/2.0/import/json-job": json_response({"id": "1"})})
    with server.client() as client:
        client.submit_validation(Upload(b"[]", "a.json"))

    parts = parts_of(server.requests[0])
    assert "/rest/2.0/import/json-job" == server.requests[0].url.path
    assert "true" == text_of(parts["simulation"])
    assert "false" == text_of(parts["continueOnError"])
