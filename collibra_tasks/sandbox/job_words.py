"""The two vocabularies for a job's state.

Source: both lists of words are *documented*; how one maps to the other is *assumed*. The tenant
itself thinks in the older words. A word that neither API has is shown as it is by both.
"""

from __future__ import annotations

WAITING, RUNNING, CANCELING = "WAITING", "RUNNING", "CANCELING"
DELETED = "DELETED"

_NEWER = {"ERROR": "FAILED", "CANCELED": "DELETED", "CANCELING": "RUNNING"}
_OLDER = {"FAILED": "ERROR", "DELETED": "CANCELED"}


def newer_word(state: str) -> str:
    """Return a state as the Job API v1 says it."""
    return _NEWER.get(state, state)


def older_word(state: str) -> str:
    """Return a state as ``/rest/2.0/jobs`` says it."""
    return _OLDER.get(state, state)
