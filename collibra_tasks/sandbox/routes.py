"""The paths that the sandbox serves."""

from __future__ import annotations

from collibra_tasks.sandbox import accounts, core_api, import_api, job_api, results
from collibra_tasks.sandbox.jobs import BATCH, FINALIZE, IMPORT
from collibra_tasks.sandbox.tenant import Route

REST = "/rest/2.0"
IMPORTS = f"{REST}/import"
SYNCHRONIZE = f"{IMPORTS}/synchronize"
JOBS_V1 = "/rest/jobs/v1/jobs"
JOBS = f"{REST}/jobs"
V1, LEGACY = "job_api_v1", "legacy_jobs"

# A literal segment stands before a variable one in the same place.
ROUTES = (
    Route("GET", f"{REST}/application/info", "info", core_api.get_application_info, anonymous=True),
    Route("POST", "/rest/oauth/v2/token", "token", accounts.post_token, anonymous=True),
    Route(
        "POST",
        accounts.IDENTITY_PROVIDER_PATH,
        "identity_provider",
        accounts.post_identity_provider_token,
        anonymous=True,
    ),
    Route("GET", f"{REST}/users/current", "user", core_api.get_current_user),
    Route("GET", f"{REST}/statuses", "status", core_api.find_statuses),
    Route("GET", f"{REST}/statuses/name/*", "status", core_api.get_status_by_name),
    Route("GET", f"{REST}/statuses/*", "status", core_api.get_status),
    Route("POST", f"{IMPORTS}/json-job", IMPORT, import_api.post_import),
    Route("POST", f"{SYNCHRONIZE}/*/finalize/job", FINALIZE, import_api.post_finalization),
    Route("POST", f"{SYNCHRONIZE}/*/batch/json-job", BATCH, import_api.post_batch),
    Route("GET", f"{SYNCHRONIZE}/exists/*", "exists", import_api.get_existence),
    Route("GET", SYNCHRONIZE, "synchronizations", import_api.find_synchronizations),
    Route("DELETE", f"{SYNCHRONIZE}/*/evict", "evict", import_api.evict_synchronization),
    Route("DELETE", f"{SYNCHRONIZE}/*", "forget", import_api.forget_synchronization),
    Route("GET", f"{IMPORTS}/results/*/summary", "summary", results.get_summary),
    Route("GET", f"{IMPORTS}/results/*/errors", "errors", results.find_errors),
    Route("GET", JOBS_V1, "jobs", job_api.find_v1_jobs, setting=V1),
    Route("GET", f"{JOBS_V1}/*", "job", job_api.get_v1_job, setting=V1),
    Route("DELETE", f"{JOBS_V1}/*", "cancel", job_api.delete_v1_job, setting=V1),
    Route("GET", JOBS, "jobs", job_api.find_legacy_jobs, setting=LEGACY),
    Route("GET", f"{JOBS}/*", "job", job_api.get_legacy_job, setting=LEGACY),
    Route("POST", f"{JOBS}/*/canceled", "cancel", job_api.cancel_legacy_job, setting=LEGACY),
)
