"""The connection to a tenant, from ``COLLIBRA_*`` variables or a ``.env`` file."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from collibra_tasks.models import AuthType

WAYS: dict[AuthType, tuple[str, ...]] = {
    "basic": ("username", "password"),
    "bearer": ("token",),
    "oauth": ("client_id", "client_secret"),
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORTS = {"https": 443, "http": 80}


class CollibraConnection(BaseModel):
    """Where a tenant is and how to prove who we are: the fields that settings and block share.

    Exactly one way to authenticate is filled in; the others stay empty.
    """

    base_url: str = Field(
        description="Address of the tenant, such as https://tenant.collibra.com, without a path."
    )
    auth_type: AuthType = Field(
        default="basic",
        description="basic: username and password. bearer: a token (JWT) of your own identity "
        "provider. oauth: client id and secret of an OAuth application in Collibra.",
    )
    username: str = Field(default="", description="For basic.")
    password: SecretStr = Field(default=SecretStr(""), description="For basic.")
    token: SecretStr = Field(default=SecretStr(""), description="For bearer.")
    client_id: str = Field(default="", description="For oauth.")
    client_secret: SecretStr = Field(default=SecretStr(""), description="For oauth.")
    ca_bundle: str = Field(
        default="",
        description="File with the certificates to trust, as the worker sees it. Empty: the usual "
        "public ones. Verification can't be switched off.",
    )
    proxy: SecretStr = Field(
        default=SecretStr(""), description="Address of a proxy. Empty: what the worker's own is."
    )
    request_timeout_seconds: float = Field(
        default=60, gt=0, le=3600, description="How long one HTTP request may take, in seconds."
    )

    @field_validator("base_url")
    @classmethod
    def _host_only(cls, base_url: str) -> str:
        """Spell a tenant in one way: what is on record of it is found by its address."""
        url = urlsplit(base_url.strip())
        try:
            port = url.port
        except ValueError:
            message = "must be an address like https://tenant.collibra.com, or with a port, :8443"
            raise ValueError(message) from None
        host = (url.hostname or "").rstrip(".")
        if not host or url.scheme not in DEFAULT_PORTS:
            message = "must be an address like https://tenant.collibra.com"
            raise ValueError(message)
        if url.username or url.password:
            message = "must not contain a user or a password; they have fields of their own"
            raise ValueError(message)
        if url.path.strip("/") or url.query or url.fragment:
            message = "must end after the host, without a path: https://tenant.collibra.com"
            raise ValueError(message)
        if url.scheme == "http" and host not in LOOPBACK:
            message = "must start with https://, or the credentials would travel in clear"
            raise ValueError(message)
        spelled = f"[{host}]" if ":" in host else host
        return f"{url.scheme}://{spelled}" + (
            "" if port in {None, DEFAULT_PORTS[url.scheme]} else f":{port}"
        )

    @field_validator("token", "password", "client_secret", "username", "client_id")
    @classmethod
    def _one_line(cls, value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if any(ord(letter) < ord(" ") for letter in text.strip()):
            message = "must be one line of text"
            raise ValueError(message)
        return type(value)(text.strip())

    @model_validator(mode="after")
    def _exactly_one_way(self) -> Self:
        wanted = WAYS[self.auth_type]
        missing = [self._spelled(name) for name in wanted if not self._filled(name)]
        if missing:
            message = (
                f"{' and '.join(missing)} must be set to authenticate with {self.auth_type!r}; "
                f"the other ways are {self._other_ways()}"
            )
            raise ValueError(message)
        surplus = [
            self._spelled(name)
            for way, names in WAYS.items()
            for name in names
            if way != self.auth_type and self._filled(name)
        ]
        if surplus:
            message = (
                "exactly one way to authenticate must be set, and there are more: leave "
                f"{' and '.join(surplus)} empty to authenticate with {self.auth_type!r}, or fill "
                f"in only those and set {self._spelled('auth_type')} accordingly"
            )
            raise ValueError(message)
        return self

    def _filled(self, name: str) -> bool:
        value = getattr(self, name)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)

    def _other_ways(self) -> str:
        return " or ".join(
            f"{way!r} ({', '.join(map(self._spelled, names))})"
            for way, names in WAYS.items()
            if way != self.auth_type
        )

    @classmethod
    def _spelled(cls, name: str) -> str:
        return name


class CollibraSettings(BaseSettings, CollibraConnection):
    """The connection to a tenant, read from the environment or from ``.env``.

    Raises:
        pydantic.ValidationError: If a variable is missing, is too much or makes no sense; the text
            names the variables and shows no value.
    """

    model_config = SettingsConfigDict(
        env_prefix="COLLIBRA_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:  # noqa: ANN401 - pydantic hands over anything
        if not isinstance(given, dict):
            return given
        if not given.get("base_url"):
            message = "COLLIBRA_BASE_URL must be set, such as https://tenant.collibra.com"
            raise ValueError(message)
        if given.get("auth_type"):
            return given
        ways = [way for way, names in WAYS.items() if any(given.get(name) for name in names)]
        return {**given, "auth_type": ways[0] if ways else "basic"}

    @classmethod
    def _spelled(cls, name: str) -> str:
        return f"COLLIBRA_{name.upper()}"
