"""``/rest/2.0/import/synchronize``: what is tracked, and how it is forgotten."""

from __future__ import annotations

from collibra_tasks.sandbox.messages import Answer, empty_answer, json_answer
from collibra_tasks.sandbox.paging import page
from collibra_tasks.sandbox.state import Call

NO_CONTENT = 204


def exists(call: Call) -> Answer:
    """Tell whether a synchronization is known, as a bare boolean."""
    return json_answer(call.arguments[0] in call.state.synchronizations)


def find(call: Call) -> Answer:
    """List the synchronizations; neither times nor states are told."""
    ids = sorted(call.state.synchronizations)
    return page(call.request, [{"synchronizationId": known} for known in ids])


def evict(call: Call) -> Answer:
    """Clear the hash cache of a synchronization, known or not."""
    if call.arguments[0] in call.state.synchronizations:
        call.state.synchronizations[call.arguments[0]].evict()
    return empty_answer(NO_CONTENT)


def forget(call: Call) -> Answer:
    """Track a synchronization no longer, known or not; its assets stay."""
    call.state.synchronizations.pop(call.arguments[0], None)
    return empty_answer(NO_CONTENT)
