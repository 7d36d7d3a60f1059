"""Create or update the automations of this folder on the Prefect server of PREFECT_API_URL.

Dead flow runs are always handled. The other two automations need an argument:

    python deployments/automations/apply.py \
        --notify slack-webhook/collibra-alerts --after load-warehouse/nightly

A second call updates the automations. An automation that was switched off stays off.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

FOLDER = Path(__file__).parent
FINALIZE = "finalize-synchronization/finalize-synchronization"


@dataclass(frozen=True)
class Definition:
    """A file of this folder, and the values of its placeholders."""

    file: str
    values: dict[str, str]

    def read(self) -> dict[str, Any]:
        """Return the automation without placeholders."""
        text = (FOLDER / self.file).read_text("utf-8")
        values = {name: json.dumps(value)[1:-1] for name, value in self.values.items()}
        automation: dict[str, Any] = json.loads(Template(text).substitute(values))
        return automation


def main() -> None:
    """Apply the automations, and print one line for each."""
    arguments = read_arguments()
    if not get_current_settings().api.url:
        sys.exit("No automation applied: no Prefect server is set. Set PREFECT_API_URL.")
    try:
        with get_client(sync_client=True) as client:
            for definition in find_definitions(client, arguments):
                apply(client, definition.read())
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        sys.exit(f"Not all automations applied: {error}. Check PREFECT_API_URL, then run again.")
    if not arguments.notify:
        print("Not applied: notifications. Name a block with --notify.")
    if not arguments.after:
        print("Not applied: finalization after an upload. Name a deployment with --after.")


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        help="saved notification block, such as slack-webhook/collibra-alerts",
    )
    parser.add_argument(
        "--after",
        metavar="FLOW/DEPLOYMENT",
        help="deployment that uploads the batches; a finalization starts when it completed",
    )
    parser.add_argument(
        "--finalize",
        metavar="FLOW/DEPLOYMENT",
        default=FINALIZE,
        help=f"deployment that finalizes (default: {FINALIZE})",
    )
    return parser.parse_args()


def find_definitions(client: SyncPrefectClient, arguments: argparse.Namespace) -> list[Definition]:
    """Return the requested automations; exit if a block or a deployment does not exist."""
    found = [Definition("dead-runs.json", {})]
    if arguments.notify:
        found.append(Definition("notify.json", {"block": find_block(client, arguments.notify)}))
    if arguments.after:
        values = {
            "upstream": arguments.after,
            "upstream_id": find_deployment(client, arguments.after),
            "finalize": arguments.finalize,
            "finalize_id": find_deployment(client, arguments.finalize),
        }
        found.append(Definition("finalize-after-upload.json", values))
    return found


def find_block(client: SyncPrefectClient, slug: str) -> str:
    """Return the ID of a notification block; exit if there is none."""
    block_type, _, name = slug.partition("/")
    try:
        block = client.read_block_document_by_name(name, block_type)
    except (ObjectNotFound, PrefectHTTPStatusError):
        sys.exit(
            f"No automation applied: the block {slug} does not exist. Create it in the Prefect UI "
            "under Blocks, for example as a Slack Webhook or a Custom Webhook."
        )
    if block.block_schema is None or "notify" not in block.block_schema.capabilities:
        sys.exit(
            f"No automation applied: the block {slug} cannot send notifications. Name a "
            "notification block, such as a Slack Webhook or a Custom Webhook."
        )
    return str(block.id)


def find_deployment(client: SyncPrefectClient, name: str) -> str:
    """Return the ID of a deployment; exit if there is none."""
    try:
        return str(client.read_deployment_by_name(name).id)
    except (ObjectNotFound, ValueError):
        sys.exit(
            f"No automation applied: the deployment {name} does not exist. Write it as "
            "FLOW/DEPLOYMENT, as shown by: prefect deployment ls"
        )


def apply(client: SyncPrefectClient, automation: dict[str, Any]) -> None:
    """Create an automation, or update the one with its name."""
    existing = client.read_automations_by_name(automation["name"])
    if not existing:
        client.create_automation(AutomationCore.model_validate(automation))
        print(f"Created: {automation['name']}")
        return
    automation["enabled"] = existing[0].enabled
    client.update_automation(existing[0].id, AutomationCore.model_validate(automation))
    print(f"Updated: {automation['name']}")


if __name__ == "__main__":
    main()
