"""The pytest plugin: fixtures for tests of plugins, and the contract suites.

It is loaded wherever mlbsdk and pytest are installed, so it imports next to nothing before a fixture is asked for.

A suite has to know a little about what it tests. Override these fixtures in ``conftest.py`` beside ``pyproject.toml``:

- ``contract_target``: writers; the address of an empty store, new for each test.
- ``contract_rows``: writers; a function (address, table) -> rows as dictionaries, an empty list without the table.
- ``contract_bad_target``: writers; an address where nothing can be written.
- ``contract_source``: sources; a function (JSON documents) -> the address of a place that holds just these captures.
- ``contract_missing_source``: sources; the address of a place that does not exist.
- ``contract_reporter_backend``: lineage reporters; has a backend running, and configured by the environment.
- ``contract_reporter_down``: lineage reporters; configures one that is not running.
- ``contract_reporter_secrets``: lineage reporters; the secrets of both, which nothing may show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.hookspecs import SourceDecl, WriterDecl
    from mlbsdk.testing.contracts.declared import Declared
    from mlbsdk.testing.golden import Golden
    from mlbsdk.testing.warehouse import Warehouse

#: Kind of declaration -> the module of its suite; ``plugin`` is the suite that every plugin goes through.
SUITES = {
    "plugin": "of_plugins",
    "transform": "of_transforms",
    "source": "of_sources",
    "writer": "of_writers",
    "quality": "of_quality",
    "listener": "of_listeners",
    "reporter": "of_reporters",
}
_DECLARED: pytest.StashKey[Declared] = pytest.StashKey()

# The suites are ordinary modules, whose asserts shall tell what they compared.
pytest.register_assert_rewrite("mlbsdk.testing.contracts")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of mlbsdk."""
    group = parser.getgroup("mlbsdk", "plugins of mlbsdk")
    group.addoption(
        "--mlbsdk-contract",
        action="store_true",
        help="Also run the contract suites for all that this project's plugin declares.",
    )
    group.addoption(
        "--mlbsdk-contract-of",
        action="append",
        default=[],
        metavar="DISTRIBUTION",
        help="Run the contract suites for an installed distribution instead. May be repeated.",
    )
    group.addoption(
        "--mlbsdk-update-golden", action="store_true", help="Write golden files anew instead of comparing with them."
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Find what the suites are run for, and add their modules to what is collected."""
    named = list(config.getoption("mlbsdk_contract_of"))
    if not named and not config.getoption("mlbsdk_contract"):
        return
    from mlbsdk.errors import MlbsdkError
    from mlbsdk.testing.contracts.declared import Declared, distribution_of

    try:
        declared = Declared.by(named or [distribution_of(config.rootpath)])
    except MlbsdkError as problem:
        raise pytest.UsageError(str(problem)) from problem
    config.stash[_DECLARED] = declared
    folder = Path(__file__).with_name("contracts")
    kinds = [kind for kind in SUITES if declared.names(kind)]
    config.args += [str(folder / f"{SUITES[kind]}.py") for kind in kinds]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each suite the names it is run for: those that its module lists as CONTRACT_NAMES, or the project's."""
    for kind in SUITES:
        fixture = f"contract_{kind}_name"
        if fixture not in metafunc.fixturenames:
            continue
        names: Sequence[str] | None = getattr(metafunc.module, "CONTRACT_NAMES", None)
        if names is None:
            declared = metafunc.config.stash.get(_DECLARED, None)
            names = declared.names(kind) if declared else ()
        metafunc.parametrize(fixture, names, scope="module")


# Fixtures for all tests of a plugin


@pytest.fixture(scope="session")
def mlbsdk_spark(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """Return a small Spark session that all tests share, with what the plugin of this project asks for."""
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.session import session
    from mlbsdk.testing.contracts.declared import Declared, distribution_of

    declared = request.config.stash.get(_DECLARED, None)
    if declared is None:
        name = distribution_of(request.config.rootpath, required=False)
        declared = Declared.by([name]) if name and Declared.is_installed(name) else Declared(Plugins.load(), ())
    folder = tmp_path_factory.mktemp("mlbsdk-spark")
    settings = {
        "spark.master": "local[2]",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "1",
        # For the few rows of tests, making code takes longer than it saves.
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    made = session(declared.spark_requirements(), settings, folder / "spark.log")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def mlbsdk_sample_captures() -> Iterator[Mapping[str, Path]]:
    """Return the sample capture of each installed transform that has one, by the transform's name."""
    from mlbsdk.plugins import Plugins

    with ExitStack() as unpacked:
        samples = {transform.name: transform.sample for transform in Plugins.load().transforms() if transform.sample}
        yield {
            name: Path(unpacked.enter_context(resources.as_file(resources.files(package).joinpath(path))))
            for name, (package, path) in samples.items()
        }


@pytest.fixture
def mlbsdk_warehouse(tmp_path: Path) -> Warehouse:
    """Return an empty target for tables."""
    from mlbsdk.testing.warehouse import Warehouse

    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def mlbsdk_golden(request: pytest.FixtureRequest) -> Golden:
    """Return the golden files of a test: in the folder ``golden`` beside it."""
    from mlbsdk.testing.golden import Golden

    return Golden(request.path.with_name("golden"), request.config.getoption("mlbsdk_update_golden"))


# Fixtures that a project overrides


@pytest.fixture
def contract_target(contract_writer: WriterDecl, tmp_path: Path) -> str:
    """Return the address of an empty store: a path that does not exist yet."""
    return f"{contract_writer.name}:{tmp_path / 'target'}"


@pytest.fixture
def contract_bad_target(contract_writer: WriterDecl, tmp_path: Path) -> str:
    """Return an address where nothing can be written: below a file."""
    (tmp_path / "a-file").write_text("in the way", encoding="utf-8")
    return f"{contract_writer.name}:{tmp_path / 'a-file' / 'target'}"


@pytest.fixture
def contract_rows(contract_writer: WriterDecl) -> Callable[[str, str], Sequence[Mapping[str, Any]]]:
    """Return how the rows of a table are read back."""
    _ask_for("contract_rows", f"how the rows of a table of '{contract_writer.name}' are read back")


@pytest.fixture
def contract_source(contract_source_decl: SourceDecl) -> Callable[[Sequence[Any]], str]:
    """Return how captures are put into a place of their own."""
    _ask_for("contract_source", f"how captures are put where '{contract_source_decl.name}' reads them")


@pytest.fixture
def contract_missing_source(contract_source_decl: SourceDecl, tmp_path: Path) -> str:
    """Return the address of a place that does not exist."""
    return f"{contract_source_decl.name}:{tmp_path / 'missing'}"


@pytest.fixture
def contract_reporter_backend(contract_reporter_name: str) -> None:
    """Have a backend running, and configured by the environment."""
    _ask_for("contract_reporter_backend", f"how the backend of '{contract_reporter_name}' is started")


@pytest.fixture
def contract_reporter_down(contract_reporter_name: str) -> None:
    """Configure a backend that is not running."""
    _ask_for("contract_reporter_down", f"how '{contract_reporter_name}' is configured")


@pytest.fixture
def contract_reporter_secrets() -> Sequence[str]:
    """Return the secrets that the backend is asked with."""
    return ()


def _ask_for(fixture: str, what: str) -> NoReturn:
    pytest.fail(
        f"the suite does not know {what}: override the fixture '{fixture}' in the conftest.py beside pyproject.toml",
        pytrace=False,
    )


# What the suites are given


@pytest.fixture
def contract_writer(contract_writer_name: str) -> WriterDecl:
    """Return the writer under test."""
    from mlbsdk.plugins import Plugins

    return Plugins.load().writer(contract_writer_name)


@pytest.fixture
def contract_source_decl(contract_source_name: str) -> SourceDecl:
    """Return the source under test."""
    from mlbsdk.plugins import Plugins

    return Plugins.load().source(contract_source_name)
