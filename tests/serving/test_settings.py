"""Every environment variable: known, documented, checked, and told where it is misspelt."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dbt_project.errors import CineFeastError
from models.evaluation.tables import filled
from serving.cli.main import app
from serving.cli.settings import every_setting, markdown
from serving.config import PREFIX, VARIABLES, Mode, Settings, settings, text_of, unknown
from serving.doctor.settings import settings_check
from serving.runtime.server import serve
from tests.commands import REPOSITORY

ROOMS = [REPOSITORY / room for room in ("dbt_project", "feature_repo", "models", "serving")]
SOURCES = [path for room in ROOMS for path in room.rglob("*") if path.suffix in (".py", ".yml", ".yaml")]
PAGES = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
OTHERS = [REPOSITORY / name for name in ("compose.yaml", "Makefile", "Dockerfile", "tests/real_data.py")]
OURS = re.compile(rf"{PREFIX}[A-Z_]*[A-Z]")
READ = re.compile(r"""(?:environ\.get\(|environ\[|getenv\(|env_var\(|api_key\()\s*["']([A-Z_]+)["']""")
NO_SETTINGS = {"PATH", "PROMETHEUS_MULTIPROC_DIR"}
MAY_USE_ENVIRON = {
    "__init__.py", "bench/serve.py", "cli/demo.py", "cli/main.py", "config.py", "doctor/registry.py",
    "telemetry/metrics.py",
}  # fmt: skip
"""The others set variables, of this process or of one that they start."""
SECRET = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*VARIABLES, *(name for name in os.environ if name.startswith(PREFIX))}:
        monkeypatch.delenv(name, raising=False)


def test_every_variable_that_is_named_or_read_is_a_setting() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in [*SOURCES, *PAGES, *OTHERS]}
    named = {name for text in texts.values() for name in OURS.findall(text)}
    read = {name for text in texts.values() for name in READ.findall(text)} - NO_SETTINGS
    assert len(named) >= 15
    assert {"TMDB_TOKEN", "EMBEDDINGS_URL", "REDIS_CONNECTION_STRING"} <= read
    assert named | read <= set(VARIABLES)


def test_every_setting_is_read() -> None:
    """By its name, or by its field where serving reads it."""
    code = "".join(path.read_text(encoding="utf-8") for path in [*SOURCES, *OTHERS] if path.name != "config.py")
    fields = dict(zip(VARIABLES, Settings.model_fields, strict=True))
    unread = [name for name, field in fields.items() if not re.search(rf"\b{name}\b|\.{field}\b", code)]
    assert unread == []


def test_serving_reads_the_environment_in_one_place() -> None:
    serving = REPOSITORY / "serving"
    files = serving.rglob("*.py")
    found = {p.relative_to(serving).as_posix() for p in files if re.search(r"\b(environ|getenv)\b", p.read_text())}
    assert found == MAY_USE_ENVIRON


def test_every_setting_says_what_it_is() -> None:
    assert [one.name for one in every_setting() if not one.meaning.endswith(".")] == []


def test_the_documentation_is_made_of_the_settings() -> None:
    """If not: make tables."""
    text = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
    assert "<!-- settings -->" in text
    assert filled(text, "", {"settings": lambda place: markdown()}) == text
    assert all(f"| `{name}` |" in text for name in VARIABLES)


def test_what_is_set_is_in_force_at_once_and_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings()
    assert (given.max_requests, given.budget_recall, given.rules, given.posters) == (64, 1.0, None, False)
    assert (given.user_vectors, given.log_features) == (Mode.REQUEST, None)
    monkeypatch.setenv("CINEFEAST_MAX_REQUESTS", "3")
    monkeypatch.setenv("CINEFEAST_RULES", "some/rules.toml")
    monkeypatch.setenv("CINEFEAST_POSTERS", "1")
    monkeypatch.setenv("CINEFEAST_USER_VECTORS", "batch")
    given = settings()
    assert (given.max_requests, given.rules, given.posters) == (3, Path("some/rules.toml"), True)
    assert given.user_vectors == Mode.BATCH
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert settings().max_requests == 64
    assert text_of("CINEFEAST_MEMORY_LIMIT") == "12GB"


@pytest.mark.parametrize(
    ("name", "value", "wrong", "example"),
    [
        ("MAX_REQUESTS", "0", "is no number above 0", "64"),
        ("MAX_REQUESTS", "x", "is no number above 0", "64"),
        ("BUDGET_FEATURES", "600", "is no number of seconds", "0.5"),
        ("BUDGET_RECALL", "soon", "is no number of seconds", "1"),
        ("BUDGET_RANK", "nan", "is no number of seconds", "1"),
        ("ALLOWED_HOSTS", "http://films.example.org", "is no list of names", "films.example.org"),
        ("ALLOWED_HOSTS", "films.*", "is no list of names", "films.example.org"),
        ("START_UP_TIMEOUT", "0", "is no number of seconds", "600"),
        ("ADMIN_PORT", "65536", "is no port", "9464"),
        ("POSTERS", "yes", "is neither 0 nor 1", "1"),
        ("RATE_LIMIT", "often", "is no rate", "1000/second"),
        ("LOG_FEATURES", "2", "is no share", "0.1"),
        ("USER_VECTORS", "sometimes", "is none of request, minutes, version, batch", "request"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, wrong: str, example: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(CineFeastError) as caught:
        settings()
    assert str(caught.value) == f"{PREFIX}{name}={value!r} {wrong}; next: export {PREFIX}{name}={example}"


def test_a_short_key_is_told_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_ADMIN_KEYS", f"{SECRET},short-one")
    with pytest.raises(CineFeastError) as caught:
        settings()
    assert str(caught.value) == (
        "a key of CINEFEAST_ADMIN_KEYS is shorter than 16 characters; next: export CINEFEAST_ADMIN_KEYS="
        "$(python3 -c 'import secrets; print(secrets.token_urlsafe())')"
    )


def test_a_misspelt_variable_is_told_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "1")
    assert unknown() == []
    monkeypatch.setenv("CINEFEAST_MAX_REQEUSTS", "1")
    monkeypatch.setenv("CINEFEAST_ZZZ", "1")
    assert unknown() == [
        "CINEFEAST_MAX_REQEUSTS is not known and changes nothing: CINEFEAST_MAX_REQUESTS is",
        "CINEFEAST_ZZZ is not known and changes nothing",
    ]


def test_the_server_tells_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def create_app(*_: Any) -> None:
        raise AssertionError("too late")

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("CINEFEAST_RULE", "rules.toml")
    with pytest.raises(CineFeastError, match="no Feast registry"):
        serve(create_app, create_app, "127.0.0.1", 0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: CINEFEAST_RULE is not known")
    assert line.endswith("CINEFEAST_RULES is; next: cinefeast settings")
    monkeypatch.setenv("CINEFEAST_MAX_REQUESTS", "x")
    with pytest.raises(CineFeastError, match="CINEFEAST_MAX_REQUESTS='x'"):
        serve(create_app, create_app, "127.0.0.1", 0)


def test_the_doctor_tells_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_MAX_REQUESTS", "3")
    found = settings_check()
    assert (found.status, found.detail) == ("ok", f"1 of {len(VARIABLES)} variables are set")
    monkeypatch.setenv("CINEFEAST_MAX_REQEUSTS", "3")
    found = settings_check()
    assert (found.status, found.next) == ("warn", "cinefeast settings")
    monkeypatch.setenv("CINEFEAST_POSTERS", "x")
    with pytest.raises(CineFeastError, match="CINEFEAST_POSTERS='x'"):
        settings_check()


def test_the_command_prints_all_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {name: SECRET for name in VARIABLES if name.endswith(("_KEY", "_TOKEN"))}
    secrets |= {"CINEFEAST_WRITE_KEYS": f"{SECRET}, {SECRET}", "CINEFEAST_ADMIN_KEYS": SECRET}
    secrets |= {"REDIS_CONNECTION_STRING": f"password={SECRET},localhost:6379,ssl=true"}
    for name, value in {**secrets, "CINEFEAST_MAX_REQUESTS": "7"}.items():
        monkeypatch.setenv(name, value)
    as_json, as_table = (CliRunner().invoke(app, ["settings", *more]) for more in (["--json"], []))
    assert as_json.exit_code == as_table.exit_code == 0
    assert SECRET not in as_json.output + as_table.output + repr(settings())
    found = {one["name"]: one for one in json.loads(as_json.stdout)}
    assert list(found) == list(VARIABLES)
    for name, value, source in (
        ("CINEFEAST_WRITE_KEYS", "set (2 keys)", "environment"),
        ("CINEFEAST_ADMIN_KEYS", "set (1 key)", "environment"),
        ("TMDB_TOKEN", "set", "environment"),
        ("REDIS_CONNECTION_STRING", "localhost:6379", "environment"),
        ("CINEFEAST_MAX_REQUESTS", "7", "environment"),
        ("CINEFEAST_READ_LIMIT", "500/second", "default"),
    ):
        assert (found[name]["value"], found[name]["source"]) == (value, source)
        assert re.search(rf"^ *{name} +{re.escape(value)} +{source} ", as_table.stdout, re.MULTILINE)


def test_the_command_prints_what_cannot_be_used_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_POSTERS", "both")
    monkeypatch.setenv("CINEFEAST_MAX_REQEUSTS", "3")
    ran = CliRunner().invoke(app, ["settings", "--json"])
    assert ran.exit_code == 1
    (posters,) = [one for one in json.loads(ran.stdout) if one["name"] == "CINEFEAST_POSTERS"]
    assert (posters["value"], posters["source"]) == ("both", "environment")
    assert "warning: CINEFEAST_MAX_REQEUSTS is not known" in ran.stderr
    assert "CINEFEAST_POSTERS='both' is neither 0 nor 1" in str(ran.exception)
