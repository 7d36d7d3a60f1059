"""HTTP requests to Collibra's REST APIs, without Prefect and without policy.

Sources: Collibra's guide *Working with the Import API v2* and its OpenAPI documents of Import 2.0,
Core 2.0 and Job 1.0, all under https://developer.collibra.com. Each function carries the mark of
its source: *documented*, *observed* (seen in public code) or *assumed*.
"""

from collibra_tasks.api.client import CollibraClient

__all__ = ["CollibraClient"]
