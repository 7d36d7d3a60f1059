"""The statuses that every tenant has."""

from __future__ import annotations

from dataclasses import dataclass

_PREFIX = "00000000-0000-0000-0000-00000000"

CANDIDATE = f"{_PREFIX}5008"

_NAMES = {
    "5008": "Candidate",
    "5009": "Accepted",
    "5010": "Rejected",
    "5011": "Obsolete",
    "5019": "In Progress",
    "5020": "Under Review",
    "5021": "Reviewed",
    "5022": "Invalid",
    "5023": "Approval Pending",
    "5024": "Access Granted",
    "5025": "Approved",
    "5051": "Enabled",
    "5052": "Disabled",
    "5053": "Deployed",
    "5054": "Monitored",
    "5055": "Implemented",
    "5056": "Resolution Pending",
    "5057": "Resolved",
    "5058": "New",
    "5059": "Pending",
    "5060": "Submitted for Approval",
    "5066": "Missing from source",
    "5084": "Archived",
}


@dataclass(frozen=True, slots=True)
class Status:
    """One status."""

    id: str
    name: str

    def body(self) -> dict[str, object]:
        """Return the status as the Core API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "signifier": self.name,
            "resourceType": "Status",
            "system": True,
        }


STATUSES = {
    _PREFIX + digits: Status(_PREFIX + digits, name) for digits, name in sorted(_NAMES.items())
}


def status_named(name: str) -> Status | None:
    """Find a status by its exact name."""
    return next((status for status in STATUSES.values() if status.name == name), None)
