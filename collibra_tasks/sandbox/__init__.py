"""A stand-in Collibra tenant on loopback, for demos and tests.

Its limits first. No live tenant was ever called. Where Collibra's documents say nothing, this is
what the sandbox assumes; a real tenant may differ:

* An empty cycle makes every asset of the cycle before it missing, and a second finalization ends
  an empty cycle. A cycle is compared with the one that was finalized last, and with nothing older.
* A command that failed or was skipped does not count as present.
* A finalization of an unknown synchronization ID is accepted and finds nothing missing. One with
  a status that does not exist fails as a job and leaves its cycle open.
* A finalization does not wait for earlier batches: jobs take effect when they end, in the
  sequence of their ends, and a batch that ends late belongs to the next cycle.
* The name of a batch's job was observed once; the name of a finalization's job, the types of jobs,
  most error codes and most texts are invented. Names and types are settings. The two job APIs map
  ``ERROR`` to ``FAILED`` and ``CANCELED`` to ``DELETED``.
* ``DELETE`` on the Job API v1 stops a running job and undoes nothing; the job stays readable.
* Finalization jobs have summaries, until `Sandbox.without_summaries`.
* A community or domain that is only named is created, unless ``create_named_domains=False``; a
  real tenant requires it to exist. Communities and domains cannot be renamed or moved.
* Types of assets, domains, attributes and relations, users and user groups need not exist. Every
  asset type's default status is Candidate. A new asset needs a type.
* An unknown field of a command, or an unknown key of an identifier, fails the command.
* Contents of complex relations, tags of other resources, responsibilities, permissions on
  resources, locks, rate limits, notifications and uploaded files are not imitated.
* Only paths in `routes` exist; any other responds 404 with an HTML page.

It serves the parts of the Import, Job and Core APIs that synchronization needs, on 127.0.0.1
only, with basic, bearer and OAuth authentication and the token endpoint of an external identity
provider. It tracks cycles with a hash cache, runs jobs by its own clock, and can be set to send
late, lost, broken or wrong responses.

    with Sandbox() as tenant:
        tenant.lose_next_answer()
        ...
        assert tenant.finalizations == 1
"""

from __future__ import annotations

from collibra_tasks.sandbox.accounts import Account
from collibra_tasks.sandbox.catalog import Asset, AssetKey
from collibra_tasks.sandbox.fault_plan import Hold
from collibra_tasks.sandbox.http import Part
from collibra_tasks.sandbox.jobs import JobView
from collibra_tasks.sandbox.sandbox import Sandbox
from collibra_tasks.sandbox.server import SandboxTransport
from collibra_tasks.sandbox.settings import Settings
from collibra_tasks.sandbox.tenant import FinalizationRequest

__all__ = [
    "Account",
    "Asset",
    "AssetKey",
    "FinalizationRequest",
    "Hold",
    "JobView",
    "Part",
    "Sandbox",
    "SandboxTransport",
    "Settings",
]
