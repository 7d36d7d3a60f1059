"""The kinds of request that stage directions speak of."""

from __future__ import annotations

ANY = "any"

FINALIZE = "finalize"
BATCH = "batch"
SYNCHRONIZE = "synchronize"
IMPORT = "import"
FOREIGN = "foreign"

JOB_KINDS = (FINALIZE, BATCH, SYNCHRONIZE, IMPORT)

REQUEST_KINDS = (
    *JOB_KINDS,
    "job",
    "jobs",
    "cancel",
    "summary",
    "errors",
    "exists",
    "synchronizations",
    "evict",
    "forget",
    "files",
    "status",
    "info",
    "user",
    "token",
)


def known(kind: str, kinds: tuple[str, ...] = REQUEST_KINDS) -> str:
    """Return the kind as it is, or raise a ValueError that lists the kinds there are."""
    if kind != ANY and kind not in kinds:
        message = f"no such kind: {kind!r}; there are {', '.join((*kinds, ANY))}"
        raise ValueError(message)
    return kind


def covers(staged: str, kind: str) -> bool:
    """Whether a direction staged for one kind concerns a request of another."""
    return staged in (ANY, kind)
