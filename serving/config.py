"""Every environment variable: `settings()` is what the server reads, checked; `cinefeast settings` prints all of them.

Nothing is kept here: ask where something is built, and hand values on. No request makes a `Settings`.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from dbt_project.errors import CineFeastError

PREFIX, REDIS = "CINEFEAST_", "REDIS_CONNECTION_STRING"
OTHERS = ("redis_", "tmdb_", "embeddings_", "dbt_", "omp_", "forwarded_")
"""How fields begin whose variables have no prefix of ours."""
HOST = re.compile(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]")
"""A name, every name below one, any name, or an address."""
SHORTEST = 16
"""Characters of a key."""


class Mode(StrEnum):
    """When a user's vector is worked out."""

    REQUEST = "request"
    """For each request: it knows all that the features know."""
    MINUTES = "minutes"
    """Kept for five minutes: the last five may be missing."""
    VERSION = "version"
    """Kept under the versions of features and models: a new event or a new model misses by itself."""
    BATCH = "batch"
    """By `cinefeast precompute`: it knows what was known then; for a user who is not there, for the request."""


class Clock(StrEnum):
    """By which time training reads features."""

    KNOWN = "known"
    """As they were known at a label: what arrived later counts as if there were none."""
    EVENT = "event"
    """As all that has arrived since says they were."""


class RedisKind(StrEnum):
    """What REDIS_CONNECTION_STRING is the address of, as Feast names it."""

    REDIS = "redis"
    CLUSTER = "redis_cluster"
    SENTINEL = "redis_sentinel"


def variable(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field.startswith(OTHERS) else PREFIX + field.upper()


def keys(secret: SecretStr) -> list[bytes]:
    """The keys between commas."""
    return [key.encode() for key in listed(secret.get_secret_value())]


def long_enough(secret: SecretStr) -> SecretStr:
    """The keys as they are; ValueError where one is too short."""
    if any(len(key) < SHORTEST for key in keys(secret)):
        raise ValueError
    return secret


def listed(text: str) -> list[str]:
    """What is between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def host_names(text: str) -> str:
    """The text as it is; ValueError where a part of it is no name of a host."""
    if not all(HOST.fullmatch(part) for part in listed(text)):
        raise ValueError
    return text


def rate(text: str) -> str:
    """The text as it is; ValueError where it is no rate."""
    from limits import parse  # half a second, for who sets one

    parse(text)
    return text


def zero_or_one(text: str) -> str:
    """The text as it is; ValueError where it is neither."""
    if text not in ("0", "1"):
        raise ValueError
    return text


def count_keys(text: str) -> str:
    """What is shown of keys."""
    count = len(keys(SecretStr(text)))
    return f"set ({count} key{'' if count == 1 else 's'})"


def addresses(text: str) -> str:
    """What may be shown of Redis's connection string: its options may hold a password."""
    return ",".join(part for part in text.split(",") if "=" not in part)


@dataclass(frozen=True)
class Hint:
    """What is told of a variable beside its meaning."""

    wrong: str = ""
    """Of a value that cannot be used, with {name} and, but for secrets, {value}."""
    example: str = ""
    """What to set instead, where it is not the default."""
    shown: Callable[[str], str] = str
    """How a value is printed."""


HIDDEN = Hint(shown=lambda text: "set")
KEYS = Hint(
    f"a key of {{name}} is shorter than {SHORTEST} characters",
    "$(python3 -c 'import secrets; print(secrets.token_urlsafe())')",
    count_keys,
)
KeyList = Annotated[SecretStr, AfterValidator(long_enough), KEYS]
Rate = Annotated[str, AfterValidator(rate), Hint("{name}={value!r} is no rate")]
Seconds = Annotated[float, Field(gt=0, lt=600), Hint("{name}={value!r} is no number of seconds")]
Days = Annotated[PositiveInt, Hint("{name}={value!r} is no number of days")]
Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """What is set from outside. A variable that is empty counts as not set."""

    model_config = SettingsConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        alias_generator=variable,
        case_sensitive=True,
        env_ignore_empty=True,
        validate_default=False,
    )

    read_keys: KeyList = SecretStr("")
    """Keys that may have answers about users: between commas, of 16 characters or more. Without any such key everybody
    may, and the server listens on other addresses than loopback with `--open` only."""
    write_keys: KeyList = SecretStr("")
    """Keys that may send events, too. Without any key nobody may write."""
    admin_keys: KeyList = SecretStr("")
    """Keys that may change films, too."""
    keys_file: Annotated[Path | None, Hint("", "keys.toml")] = None
    """A TOML file with more keys, lists `read`, `write` and `admin`. It is looked at before each use of a key, so they
    are replaced without a restart."""
    rate_limit: Rate = "1000/second"
    """Events and changes of films that a key may send: a number a second, minute, hour or day. A bulk counts as the
    events that are in it."""
    read_limit: Rate = "500/second"
    """Cost of the requests of any kind that a key, or without one an address, may send; see the costs of routes."""
    proxies: str = ""
    """Addresses or networks of proxies, between commas, whose X-Forwarded-For tells an address that is limited; if not
    set, nobody's."""
    allowed_hosts: Annotated[
        str, AfterValidator(host_names), Hint("{name}={value!r} is no list of names", "films.example.org")
    ] = ""
    """Names under which both ports are asked, between commas: `films.example.org`, `*.example.org`, or `*` for any.
    Names of loopback, and the address that is listened on, need not be named."""
    admin_host: str = "127.0.0.1"
    """The address of the admin port, which tells metrics and health to whoever reaches it."""
    admin_port: Annotated[int, Field(ge=0, le=65535), Hint("{name}={value!r} is no port")] = 9464
    """The admin port; 0: one that is free, which is printed when the server starts."""
    max_requests: Annotated[PositiveInt, Hint("{name}={value!r} is no number above 0")] = 64
    """Requests that a worker has at a time, those that wait for a thread included; one more is answered with 503.
    Requests with events are counted apart, so that neither kind keeps the other out."""
    budget_features: Seconds = 0.5
    """Seconds, below 600, after which an answer goes on without the user's features of now."""
    budget_recall: Seconds = 1.0
    """Seconds after which it goes on without the channels that are late; for all of them together."""
    budget_rank: Seconds = 1.0
    """Seconds after which it goes on without the ranker, in recall's order."""
    user_vectors: Annotated[Mode, Hint(f"{{name}}={{value!r}} is none of {', '.join(Mode)}")] = Mode.REQUEST
    """When a user's vector is worked out: `request`, `minutes`, `version` or `batch`."""
    worker_timeout: Seconds = 30.0
    """Seconds after which one of several workers that does not answer is killed and replaced."""
    start_up_timeout: Annotated[PositiveInt, Hint("{name}={value!r} is no number of seconds")] = 600
    """Seconds after which one of several workers that has not become ready is killed and replaced."""
    rules: Path | None = None
    """The file of rules; `rules.toml` in the workspace if not set."""
    log_features: Annotated[Share | None, Hint("{name}={value!r} is no share", "0.1")] = None
    """Share of ranked answers, 0 to 1, whose features are logged; the service's sample rate (0.1) if not set."""
    keep_logs_days: Days = 90
    """Days after which a running server removes files of logged features."""
    keep_accepted_days: Days = 90
    """Days after which it forgets the ids of events that were accepted and are online. One that is sent again later is
    landed again; the next build finds a rating by user, film and second, anything else by its id."""
    posters: Annotated[bool, BeforeValidator(zero_or_one), Hint("{name}={value!r} is neither 0 nor 1", "1")] = False
    """1: the page shows posters from TMDb's image server where a film's document has one. 0: nothing outside is asked
    for."""

    # Listed, not checked: those who read them check them. Rooms to the left cannot import serving.
    workspace: str = "workspace"
    """The directory of everything that a run writes; dbt and feast need it set, and absolute."""
    redis_connection_string: Annotated[SecretStr, Hint(shown=addresses)] = SecretStr("")
    """Redis as online store, `localhost:6379`, after commas options of its client; nodes of a cluster, or Sentinels,
    between commas; SQLite in the workspace if not set."""
    redis_type: Annotated[RedisKind, Hint(f"{{name}}={{value!r}} is none of {', '.join(RedisKind)}")] = RedisKind.REDIS
    """What that is: `redis`, one server; `redis_cluster`; or `redis_sentinel`, whose master is used."""
    redis_sentinel_master: str = "mymaster"
    """The Sentinel's name of the master."""
    training_time: Annotated[Clock, Hint(f"{{name}}={{value!r}} is none of {', '.join(Clock)}")] = Clock.KNOWN
    """How training and evaluation read features: `known`, as they were known at a label, without what arrived later; or
    `event`, with all ratings at the moments they are of, for a history that was pushed long after it happened."""
    memory_limit: str = "12GB"
    """What DuckDB may hold while dbt builds; it spills to disk beyond."""
    dbt_target_path: str = ""
    """Where dbt puts what it compiles; `target` in its project if not set."""
    dbt_log_path: str = ""
    """Where dbt logs; `logs` in its project if not set."""
    tmdb_token: Annotated[SecretStr, HIDDEN] = SecretStr("")
    """TMDb's API read access token, for `cinefeast collect`."""
    tmdb_api_key: Annotated[SecretStr, HIDDEN] = SecretStr("")
    """TMDb's API key, where there is no token."""
    tmdb_url: str = ""
    """Another server of TMDb's API."""
    embeddings_url: str = ""
    """A server of OpenAI's embeddings API, for `cinefeast embed --backend api`."""
    embeddings_api_key: Annotated[SecretStr, HIDDEN] = SecretStr("")
    """Its key, if it wants one."""
    omp_num_threads: str = "1"
    """Threads of a matrix product in `cinefeast`."""
    real_data: str = ""
    """Published data sets, for the tests alone; those that want them are skipped where there are none."""


VARIABLES: dict[str, FieldInfo] = {variable(name): field for name, field in Settings.model_fields.items()}


def settings() -> Settings:
    """What the environment says now; CineFeastError naming the first value that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        found = error.errors()[0]
        name = str(found["loc"][0])
        what = hint(VARIABLES[name]).wrong.format(name=name, value=found["input"])
        raise CineFeastError(what, export(name)) from None


def given(name: str) -> str:
    """A variable as it is set, unchecked; empty if it is not."""
    return os.environ.get(name, "")


def text_of(name: str) -> str:
    """A variable as it is set or else its default, where another one's wrong value must not be in the way."""
    return given(name) or default(VARIABLES[name])


def export(name: str) -> str:
    """The command that sets a variable to something that can be used."""
    return f"export {name}={hint(VARIABLES[name]).example or default(VARIABLES[name])}"


def unknown() -> list[str]:
    """A line for each CINEFEAST_ variable that nothing reads, with the one that was probably meant."""
    lines = []
    names = [name.removeprefix(PREFIX) for name in VARIABLES if name.startswith(PREFIX)]
    for name in sorted(set(os.environ) - set(VARIABLES)):
        if name.startswith(PREFIX):
            close = get_close_matches(name.removeprefix(PREFIX), names, 1)
            lines.append(f"{name} is not known and changes nothing" + (f": {PREFIX}{close[0]} is" if close else ""))
    return lines


def hint(field: FieldInfo) -> Hint:
    """What a field carries."""
    return next((one for one in field.metadata if isinstance(one, Hint)), Hint())


def default(field: FieldInfo) -> str:
    """A field's default as one would set it; empty where there is none."""
    value = field.default
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)  # SecretStr("") is empty, too
