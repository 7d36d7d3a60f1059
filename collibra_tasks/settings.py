"""Connection to a Collibra environment, from ``COLLIBRA_*`` variables or a ``.env`` file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from collibra_tasks.models import AuthType, ClientAuth

AUTH_FIELDS: Final[Mapping[AuthType, tuple[str, ...]]] = {
    "basic": ("username", "password"),
    "bearer": ("token",),
    "oauth": ("client_id", "client_secret"),
}
"""Required fields of each way to authenticate."""
OAUTH_OPTIONS: Final = ("token_url", "scope", "audience")
LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}


class CollibraConnection(BaseModel):
    """URL and credentials of a Collibra environment; the shared fields of settings and block.

    Exactly one way to authenticate is filled in. Without ``auth_type`` it is derived from the
    filled fields.
    """

    base_url: str = Field(
        description="URL of the Collibra environment, such as https://tenant.collibra.com, "
        "without a path."
    )
    environment: str = Field(
        default="",
        description="Optional name of the environment, such as production. Empty: the URL that "
        "Collibra reports as its own.",
    )
    auth_type: AuthType = Field(
        default="basic",
        description="Way to authenticate. basic: user name and password. bearer: a fixed token "
        "(JWT). oauth: client ID and client secret, which obtain tokens from Collibra or from an "
        "identity provider.",
    )
    username: str = Field(default="", description="User name, for basic.")
    password: SecretStr = Field(default=SecretStr(""), description="Password, for basic.")
    token: SecretStr = Field(
        default=SecretStr(""),
        description="Fixed token, for bearer. Tokens often expire after an hour; schedules need "
        "oauth.",
    )
    client_id: str = Field(default="", description="Client ID, for oauth.")
    client_secret: SecretStr = Field(default=SecretStr(""), description="Client secret, for oauth.")
    token_url: str = Field(
        default="",
        description="Token URL of your company's identity provider, for oauth. Empty: Collibra's "
        "own.",
    )
    scope: str = Field(default="", description="Scope for the token URL, if it needs one.")
    audience: str = Field(default="", description="Audience for the token URL, if it needs one.")
    client_auth: ClientAuth = Field(
        default="basic",
        description="Place of the client secret in token requests, for oauth. basic: in a Basic "
        "header. form: in the form.",
    )
    ca_bundle: str = Field(
        default="",
        description="Path, on the worker, of a PEM file with trusted certificates. Empty: the "
        "usual public ones. Verification cannot be disabled.",
    )
    proxy: SecretStr = Field(
        default=SecretStr(""), description="URL of a proxy. Empty: the worker's own settings."
    )
    request_timeout_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Timeout of one HTTP request in seconds, more than 0 and up to 3600.",
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_auth_type(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic passes any input
        if not isinstance(values, dict):
            return values
        if not values.get("base_url"):
            raise _fault(f"{cls.spell('base_url')} must be set, such as {_EXAMPLE_URL}")
        if values.get("auth_type"):
            return values
        return {**values, "auth_type": _find_auth_type(values)}

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, text: str) -> str:
        name, url = cls.spell("base_url"), _split_url(cls.spell("base_url"), text)
        if url.path.strip("/") or url.query or url.fragment:
            raise _fault(f"{name} must end after the host, without a path, such as {_EXAMPLE_URL}")
        host = str(url.hostname).rstrip(".")
        port = "" if url.port in {None, DEFAULT_PORTS[url.scheme]} else f":{url.port}"
        return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}"

    @field_validator("token_url")
    @classmethod
    def _check_token_url(cls, text: str) -> str:
        return text.strip() and _split_url(cls.spell("token_url"), text).geturl()

    @field_validator("environment", "username", "client_id", "scope", "audience", mode="before")
    @classmethod
    def _strip(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_texts(self) -> Self:
        for name in ("environment", "username", "password", "client_id", "scope", "audience"):
            if not self.read(name).isprintable():
                raise _fault(f"{self.spell(name)} must be one line without control characters")
        if ":" in self.username:
            raise _fault(f"{self.spell('username')} must not contain a colon")
        for name in ("token", "client_secret"):
            text = self.read(name)
            if not text.isprintable() or (name == "token" and not is_token(text)):
                raise _fault(f"{self.spell(name)} must be one word of ASCII text, without a prefix")
        return self

    @model_validator(mode="after")
    def _check_auth(self) -> Self:
        required = AUTH_FIELDS[self.auth_type]
        if missing := [self.spell(name) for name in required if not self.read(name)]:
            raise _fault(
                f"{' and '.join(missing)} must be set to authenticate with {self.auth_type!r}; "
                f"the other ways are {self._list_other_ways()}"
            )
        if surplus := [self.spell(name) for name in self._find_surplus()]:
            raise _fault(
                f"{' and '.join(surplus)} must be empty to authenticate with {self.auth_type!r}, "
                f"because exactly one way to authenticate is allowed; to use another way, fill in "
                f"only its fields and set {self.spell('auth_type')} to it"
            )
        if not self.token_url and (self.scope or self.audience):
            name = self.spell("scope" if self.scope else "audience")
            raise _fault(
                f"{name} needs {self.spell('token_url')}, because Collibra's own token URL "
                "accepts no scope and no audience"
            )
        return self

    def _find_surplus(self) -> list[str]:
        names = [
            name for way, names in AUTH_FIELDS.items() if way != self.auth_type for name in names
        ]
        names += OAUTH_OPTIONS if self.auth_type != "oauth" else ()
        return [name for name in names if self.read(name)]

    def _list_other_ways(self) -> str:
        return " or ".join(
            f"{way!r} ({', '.join(map(self.spell, names))})"
            for way, names in AUTH_FIELDS.items()
            if way != self.auth_type
        )

    def read(self, name: str) -> str:
        """Return a text field in clear; never show the result."""
        value = getattr(self, name)
        return str(value.get_secret_value() if isinstance(value, SecretStr) else value)

    @classmethod
    def spell(cls, name: str) -> str:
        """Return the name of a field as the user sees it."""
        return name


class CollibraSettings(BaseSettings, CollibraConnection):
    """Connection to a Collibra environment, read from the environment variables or ``.env``.

    Raises:
        pydantic.ValidationError: If a variable is missing, superfluous or invalid. The text names
            the variables and shows no value.

    Example:
        ```python
        settings = CollibraSettings()  # COLLIBRA_BASE_URL, COLLIBRA_TOKEN
        ```
    """

    model_config = SettingsConfigDict(
        env_prefix="COLLIBRA_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
    )

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - the arguments of BaseSettings
        """Read and check the variables."""
        faults: list[InitErrorDetails] = []
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = [_as_sentence(self, detail["loc"], detail) for detail in error.errors()]
        if faults:  # outside of the except block, so that no value remains in the traceback
            raise ValidationError.from_exception_data(
                "CollibraSettings", faults, hide_input=True
            ) from None

    @classmethod
    def spell(cls, name: str) -> str:
        """Return the name of the environment variable of a field."""
        return f"COLLIBRA_{name.upper()}"


_EXAMPLE_URL = "https://tenant.collibra.com"


def is_token(text: str) -> bool:
    """Return whether a text can be sent as a token: visible ASCII characters only."""
    return text.isascii() and text.isprintable() and " " not in text


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("collibra_settings", "{text}", {"text": text})


def _as_sentence(
    settings: CollibraSettings, place: tuple[int | str, ...], detail: Mapping[str, Any]
) -> InitErrorDetails:
    text = str(detail["msg"])
    if detail["type"] != "collibra_settings" and place:
        text = f"{settings.spell(str(place[0]))}: {text}"
    return InitErrorDetails(type=_fault(text), loc=(), input=None)


def _find_auth_type(values: Mapping[str, Any]) -> AuthType:
    for way, names in AUTH_FIELDS.items():
        options = OAUTH_OPTIONS if way == "oauth" else ()
        if any(_is_filled(values.get(name)) for name in (*names, *options)):
            return way
    return "basic"


def _is_filled(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _split_url(name: str, text: str) -> SplitResult:
    try:
        url = urlsplit(text.strip())
        usable = url.port != 0 and bool((url.hostname or "").strip("."))
    except ValueError:
        usable = False
    if not usable or url.scheme not in DEFAULT_PORTS or not url.geturl().isprintable():
        raise _fault(f"{name} must be a URL such as {_EXAMPLE_URL}, or with a port, :8443")
    if url.username or url.password:
        raise _fault(f"{name} must not contain a user name or a password; use their own fields")
    if url.scheme == "http" and url.hostname not in LOOPBACK_HOSTS:
        raise _fault(f"{name} must start with https://, because http sends credentials in clear")
    return url
