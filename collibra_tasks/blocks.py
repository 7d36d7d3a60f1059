"""Credentials as a Prefect block."""

from __future__ import annotations

from typing import Any, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.settings import CollibraConnection, CollibraSettings


class CollibraCredentials(CredentialsBlock, CollibraConnection):
    """URL and credentials of a Collibra environment.

    Choose one way to authenticate and fill in its fields; leave the other fields empty.

    Example:
        ```python
        from collibra_tasks import CollibraCredentials

        CollibraCredentials.from_settings().save("production")
        credentials = CollibraCredentials.load("production")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Collibra Credentials"
    _block_type_slug = "collibra-credentials"
    _description = "URL and credentials of a Collibra environment."

    @classmethod
    def from_settings(cls, settings: CollibraConnection | None = None) -> Self:
        """Create a block from ``COLLIBRA_*`` variables or ``.env``, or from ``settings``.

        Args:
            settings: URL and credentials; ``None`` for the environment variables.

        Raises:
            pydantic.ValidationError: If the variables do not form exactly one way to
                authenticate. The text names them and shows no value.
        """
        connection = settings or CollibraSettings()
        return cls(**{name: getattr(connection, name) for name in CollibraConnection.model_fields})

    def get_client(self, **_: Any) -> CollibraClient:  # noqa: ANN401 - Prefect's signature
        """Return a client of this environment; use it as a context manager."""
        return CollibraClient(self)
