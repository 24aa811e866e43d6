import os
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.configuration import SettingsError, fields, load_settings, variable
from foretell.settings import Settings

DOCUMENTED = Path(__file__).parents[2] / "docs" / "settings.md"

Environ = Callable[..., None]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environ:
    """Sets FORETELL_* variables, in an empty directory and with none of the developer's own."""
    for name in list(os.environ):
        if name.startswith("FORETELL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def setenv(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"FORETELL_{name}", value)

    return setenv


def test_defaults_serve_a_newcomer_on_loopback_with_a_sqlite_file(environ: Environ) -> None:
    settings = load_settings()

    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url == "sqlite+aiosqlite:///foretell.db"
    assert settings.secret is None


def test_a_variable_overrides_the_file_and_the_file_overrides_the_default(environ: Environ) -> None:
    Path("foretell.toml").write_text(
        "port = 1\nlog_level = 'error'\n[document]\nmax_depth = 2\nmax_cost = 3\n"
    )
    environ(PORT="4", DOCUMENT_MAX_DEPTH="5")

    settings = load_settings()

    assert (settings.port, settings.log_level) == (4, "error")
    assert (settings.document.max_depth, settings.document.max_cost) == (5, 3)
    assert settings.document.max_fields == 500


def test_the_file_is_where_its_variable_says(environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text("port = 9\n")
    environ(CONFIG=str(tmp_path / "elsewhere.toml"))

    assert load_settings().port == 9


def test_settings_are_frozen(environ: Environ) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_an_empty_variable_is_one_that_is_not_set(environ: Environ) -> None:
    environ(HOST="", REDIS_URL="")

    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PORT", "70000", "must be a whole number from 0 to 65535"),
        ("PORT", "tcp://10.0.0.1:8000", "must be a whole number from 0 to 65535"),
        ("LEASE_SECONDS", "nan", "must be a number from 1 to 3600"),
        ("DOCUMENT_MAX_DEPTH", "deep", "must be a whole number, 1 or more"),
        ("DOCUMENT_MAX_DEPHT", "3", "there is no such setting"),
        ("GRAPHIQL", "perhaps", "must be true or false"),
        ("LOG_LEVEL", "trace", "must be 'debug', 'info', 'warning' or 'error'"),
        ("DATABASE_SYNCHRONOUS", "OFF", "must be 'FULL' or 'NORMAL'"),
        (
            "DATABASE_URL",
            "mysql://root:hunter2@host/foretell",
            "must be sqlite:///file or postgresql://user:password@host:port/database",
        ),
        ("REDIS_URL", "http://host", "must be redis://host:6379/0, rediss://… or unix://…"),
        ("STORAGE_URL", "ftp://host", "must be s3://bucket/prefix or file:///directory"),
        ("SECRET", "hunter2", "must have at least 32 characters"),
        ("ALLOWED_ORIGINS", "https://a.example, b.example", "must be https://host, or a list of such"),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it_and_what_is_allowed(
    environ: Environ, name: str, value: str, line: str
) -> None:
    environ(**{name: value})

    with pytest.raises(SettingsError) as raised:
        load_settings()

    assert str(raised.value) == f"FORETELL_{name}: {line}"
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("prot = 1", "foretell.toml: prot: there is no such setting"),
        ("[document]\ndepth = 1", "foretell.toml: document.depth: there is no such setting"),
        ("port = 'x'", "foretell.toml: port: must be a whole number from 0 to 65535"),
        ("port =", "foretell.toml: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it_and_the_key(environ: Environ, toml: str, line: str) -> None:
    Path("foretell.toml").write_text(toml)

    with pytest.raises(SettingsError) as raised:
        load_settings()

    assert str(raised.value) == line


def test_a_file_that_is_asked_for_must_be_there(environ: Environ) -> None:
    environ(CONFIG="nowhere.toml")

    with pytest.raises(SettingsError, match=r"^FORETELL_CONFIG: there is no file nowhere\.toml$"):
        load_settings()


def test_several_wrong_settings_are_told_at_once(environ: Environ) -> None:
    environ(PORT="x", GRAPHIQL="x")

    with pytest.raises(SettingsError) as raised:
        load_settings()

    assert str(raised.value).split("; ") == [
        "FORETELL_PORT: must be a whole number from 0 to 65535",
        "FORETELL_GRAPHIQL: must be true or false",
    ]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///a/b.db", "sqlite+aiosqlite:///a/b.db"),
        ("sqlite:////var/b.db", "sqlite+aiosqlite:////var/b.db"),
        ("sqlite+aiosqlite:///b.db", "sqlite+aiosqlite:///b.db"),
        ("postgres://u:p%40@h:5433/d", "postgresql+asyncpg://u:p%40@h:5433/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
    ],
)
def test_a_database_url_gets_the_driver_that_serves_it(environ: Environ, given: str, used: str) -> None:
    environ(DATABASE_URL=given)

    assert load_settings().database_url == used


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://host", "foretell.db"])
def test_a_database_url_must_name_a_database_that_lasts(environ: Environ, url: str) -> None:
    environ(DATABASE_URL=url)

    with pytest.raises(
        SettingsError, match=r"^FORETELL_DATABASE_URL: must be sqlite:///file or postgresql://"
    ):
        load_settings()


def test_nothing_secret_is_shown(environ: Environ) -> None:
    environ(
        DATABASE_URL="postgresql://user:hunter2@host/foretell",
        REDIS_URL="redis://:hunter2@host/0?password=hunter2",
        STORAGE_URL="s3://id:hunter2@host/bucket?secret_key=hunter2",
        SECRET="hunter2" * 5,
    )

    settings = load_settings()

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert "postgresql+asyncpg://***@host/foretell" in repr(settings)


def test_origins_are_a_list_in_both_places(environ: Environ) -> None:
    Path("foretell.toml").write_text('allowed_origins = ["https://a.example"]')
    from_file = load_settings().allowed_origins
    environ(ALLOWED_ORIGINS="https://b.example, http://localhost:3000")

    assert from_file == ("https://a.example",)
    assert load_settings().allowed_origins == ("https://b.example", "http://localhost:3000")


def test_every_setting_is_documented_with_its_variable_its_default_and_its_meaning() -> None:
    rows = [line for line in DOCUMENTED.read_text().splitlines() if line.startswith("| `FORETELL_")]

    assert rows[: len(fields())] == [_row(path) for path in fields()]


def _row(path: tuple[str, ...]) -> str:
    field = fields()[path]
    default = "the cores" if field.default_factory else _shown(field.default)
    return f"| `{variable(*path)}` | `{'.'.join(path)}` | {default} | {field.description} |"


def _shown(default: object) -> str:
    match default:
        case None | () | {}:
            return "none"
        case bool():
            return f"`{str(default).lower()}`"
        case tuple():
            return f"`{', '.join(map(str, default))}`"
        case _:
            return f"`{default}`"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OIDC_ISSUER": "x"}, "audience, jwks_url, project or project_claim, scopes or scopes_claim"),
        ({"OIDC_JWKS_URL": "http://keys.example"}, "FORETELL_OIDC_JWKS_URL: must be https://"),
        ({"OIDC_JWKS_URL": "https://user:password@keys.example"}, "FORETELL_OIDC_JWKS_URL: must be https://"),
        ({"OIDC_ALGORITHMS": "RS256, HS256"}, "FORETELL_OIDC_ALGORITHMS: "),
        ({"OIDC_SCOPES": "EVERYTHING"}, "FORETELL_OIDC_SCOPES: "),
    ],
)
def test_an_issuer_is_trusted_with_all_that_it_needs_or_not_at_all(
    environ: Environ, variables: dict[str, str], said: str
) -> None:
    environ(**variables)

    with pytest.raises(SettingsError, match=said) as refused:
        load_settings()

    assert "password" not in str(refused.value)
