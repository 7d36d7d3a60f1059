"""Settings of a tenant, and the releases of Collibra that decide its defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass

Release = tuple[int, int]

FAILURES_BEFORE_ABORT = 100

PARAMETER_MISSING_ASSET_STATUS_ID: Release = (2022, 8)
FAILED_COUNTER: Release = (2026, 1)
CONTINUE_ON_ERROR_BY_DEFAULT: Release = (2026, 7)

TOKEN_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a tenant, which `Sandbox` takes as arguments and `Sandbox.configure` changes.

    Attributes:
        version: Reported version; None: none is reported. Decides a few defaults if it begins
            with a year and a month.
        reported_base_url: ``baseUrl`` of application/info; ``{url}`` stands for the sandbox's own
            URL; None: the field is absent.
        job_seconds: Duration of each new job by the tenant's clock, in seconds; 0: a job ends at
            the next request.
        failures_before_abort: Number of failed commands after which an import stops.
        batch_job_name: Name of a batch's job; ``{id}`` stands for the synchronization ID.
        finalization_job_name: Name of a finalization's job, which is unknown in reality; the
            default is invented. None: the job has no name.
        import_job_name: Name of a plain import's job.
        batch_job_type: Type of a batch's job; None: the job has no type.
        finalization_job_type: Type of a finalization's job; None: the job has no type.
        import_job_type: Type of a plain import's job; None: the job has no type.
        attributes_action: Whether ``attributesAction`` works; older tenants ignore it.
        create_named_domains: Whether a domain or community that is only named is created, for
            short tests; False: it must exist, as in Collibra.
        jobs_visible_to_others: Whether an account sees the jobs of others in lists.
        job_api_v1: Whether ``/rest/jobs/v1`` exists.
        legacy_jobs: Whether ``/rest/2.0/jobs`` exists.
        summaries: Whether finalization jobs have import results.
        hidden_requests: Number of requests, for the job or for a list, that do not find a new job.
        hidden_status: Status of a request for a hidden job.
        unlisted_requests: Number of list requests that do not show a new job.
        date_header: Text of the Date header; None: the time.
        clock_offset_seconds: Seconds by which the Date header is ahead of the dates of jobs.
        token_seconds: Lifetime of a token of Collibra's own endpoint, in seconds.
        identity_provider_auth: Method by which the client authenticates at the identity provider:
            ``basic``, ``form`` or ``any``.
        identity_provider_scope: Required scope; None: any.
        identity_provider_audience: Required audience; None: any.
        identity_provider_token_seconds: Lifetime of an identity provider's token, in seconds.
    """

    version: str | None = "2026.07.0"
    reported_base_url: str | None = "{url}"
    job_seconds: float = 0.0
    failures_before_abort: int = FAILURES_BEFORE_ABORT
    batch_job_name: str | None = "Synchronization of batch for id: {id}"
    finalization_job_name: str | None = "Synchronization finalization for id: {id}"
    import_job_name: str | None = "Import"
    batch_job_type: str | None = "IMPORT"
    finalization_job_type: str | None = "IMPORT"
    import_job_type: str | None = "IMPORT"
    attributes_action: bool = False
    create_named_domains: bool = True
    jobs_visible_to_others: bool = True
    job_api_v1: bool = True
    legacy_jobs: bool = True
    summaries: bool = True
    hidden_requests: int = 0
    hidden_status: int = 404
    unlisted_requests: int = 0
    date_header: str | None = None
    clock_offset_seconds: float = 0.0
    token_seconds: float = TOKEN_SECONDS
    identity_provider_auth: str = "any"
    identity_provider_scope: str | None = "collibra.import"
    identity_provider_audience: str | None = "https://collibra.example/api"
    identity_provider_token_seconds: float = TOKEN_SECONDS

    @property
    def release(self) -> Release | None:
        """Return year and month of the version; None if it does not begin with them.

        Source: expected to look like ``2026.07.0``, *assumed*; no real version was found.
        """
        match = re.match(r"(\d+)\.(\d+)", self.version or "")
        return (int(match[1]), int(match[2])) if match else None

    def is_since(self, release: Release) -> bool:
        """Whether this is a release or a later one; an unreadable version is the newest."""
        return self.release is None or self.release >= release
