"""A stand-in Collibra tenant on loopback, for demos and tests.

Its limits first. No live tenant was ever asked; where Collibra's documents are silent, this is
what was assumed, and a real tenant may differ:

* An empty cycle makes every asset of the cycle before it missing; finalizing twice is an empty
  cycle. A cycle is compared with the last finalized one and with nothing older.
* A command that failed or was skipped does not count as present.
* A finalization of an unknown synchronization id is taken and finds nothing missing. One with a
  status that does not exist fails as a job and leaves its cycle open.
* A finalization does not wait for the batches before it: jobs take effect when they end, in the
  order of their ends, and a batch that ends late belongs to the next cycle.
* Names and types of jobs are invented (the type is always ``IMPORT``), as are most error codes
  and texts. The words of the two job APIs are mapped ``ERROR`` to ``FAILED`` and ``CANCELED`` to
  ``DELETED``.
* ``DELETE`` on the Job API v1 stops a running job and undoes nothing; the job stays readable.
* Summaries exist for finalization jobs, until `Sandbox.without_summaries`.
* A community or domain that is only named springs into being; a real tenant wants it to exist.
  Types of assets, domains, attributes and relations are taken as they are written, targets of
  relations are not looked up, every type's default status is Candidate, and responsibilities,
  permissions on resources, locks, rate limits and notifications are not imitated.
* ``strictQuotes`` of CSV files is not imitated. Excel files need openpyxl.
* Paths that are not listed in `routes` answer 404 with a page of HTML.

What it does: it serves the parts of the Import, Job and Core APIs that synchronization needs, on
127.0.0.1 only, with basic, bearer and OAuth authentication; keeps real cycles with a hash cache;
runs jobs by a clock of its own; and follows stage directions, which make answers late, lost,
broken or wrong.

    with Sandbox() as tenant:
        tenant.lose_next_answer()
        ...
        assert tenant.finalizations == 1
"""

from __future__ import annotations

from collibra_tasks.sandbox.catalog import Asset, AssetKey
from collibra_tasks.sandbox.faults import Hold
from collibra_tasks.sandbox.form import Part
from collibra_tasks.sandbox.messages import Answer, Request
from collibra_tasks.sandbox.sandbox import Sandbox
from collibra_tasks.sandbox.seen import SeenJob
from collibra_tasks.sandbox.tenant import FinalizationRequest

__all__ = [
    "Answer",
    "Asset",
    "AssetKey",
    "FinalizationRequest",
    "Hold",
    "Part",
    "Request",
    "Sandbox",
    "SeenJob",
]
