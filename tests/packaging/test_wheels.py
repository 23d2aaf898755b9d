"""Every distribution builds; installed alone, the wheels of mlbsdk and the game plugin do what the README says."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.conftest import REPOSITORY
from tests.spark.test_game_tables import ROWS_OF_747175

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

SOURCES = {"mlbsdk": REPOSITORY} | {
    path.parent.name: path.parent for path in REPOSITORY.glob("plugins/*/pyproject.toml")
}
GAME = "mlbsdk-plugin-game"
#: The folders of mappings that a plugin's wheel holds.
MAPPED = {
    GAME: ("game",),
    "mlbsdk-plugin-person": ("person",),
    "mlbsdk-plugin-schedule": ("schedule", "season"),
    "mlbsdk-plugin-team": ("team",),
}


def uv(*arguments: str | Path, cwd: Path = REPOSITORY) -> None:
    """Run uv, as dev.py finds it; a failure shows what it printed."""
    done = subprocess.run(
        [_uv(), *map(str, arguments)], cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _uv() -> str:
    spec = importlib.util.spec_from_file_location("mlbsdk_dev", REPOSITORY / "dev.py")
    assert spec
    assert spec.loader
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    return str(dev.find_uv())


def clean_environment() -> dict[str, str]:
    """Return the environment of a user who has neither our repository nor Java nor settings."""
    ours = ("MLBSDK_", "PYTHON", "SPARK_", "OPENLINEAGE_", "VIRTUAL_ENV", "JAVA_", "UV_PROJECT")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@dataclass(frozen=True)
class Built:
    """One distribution: its sdist, the wheel made from that, and the wheel made from the tree."""

    name: str
    sdist: Path
    wheel: Path
    wheel_of_tree: Path

    def files(self, wheel: Path | None = None) -> dict[str, bytes]:
        with zipfile.ZipFile(wheel or self.wheel) as opened:
            return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def all_built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    folder = tmp_path_factory.mktemp("dist")
    found = {}
    for name, source in SOURCES.items():
        of_sdist, of_tree = folder / name / "sdist", folder / name / "tree"
        uv("build", "--quiet", "--out-dir", of_sdist, source)
        uv("build", "--quiet", "--wheel", "--out-dir", of_tree, source)
        (sdist,), (wheel,), (tree,) = of_sdist.glob("*.tar.gz"), of_sdist.glob("*.whl"), of_tree.glob("*.whl")
        found[name] = Built(name, sdist, wheel, tree)
    return found


@pytest.fixture(params=SOURCES)
def built(request: pytest.FixtureRequest, all_built: dict[str, Built]) -> Built:
    return all_built[request.param]


def test_a_wheel_holds_its_package_and_nothing_else(built: Built) -> None:
    files = built.files()
    package = built.name.replace("-", "_")
    roots = {name.partition("/")[0] for name in files}
    (info,) = roots - {package}
    assert info.startswith(f"{package}-")
    assert info.endswith(".dist-info")
    assert f"{package}/py.typed" in files
    assert f"{info}/licenses/LICENSE" in files
    own = [name for name in files if not name.startswith("mlbsdk/templates/")]  # whose projects have tests
    assert not [name for name in own if "__pycache__" in name or "/tests/" in name or name.endswith(".pyc")]


@pytest.mark.parametrize(("plugin", "endpoints"), MAPPED.items())
def test_mappings_and_samples_are_in_the_wheel(
    all_built: dict[str, Built], plugin: str, endpoints: tuple[str, ...]
) -> None:
    files = all_built[plugin].files()
    package = plugin.replace("-", "_")
    mappings = [mapping for endpoint in endpoints for mapping in (REPOSITORY / "mappings" / endpoint).glob("*.yaml")]
    assert mappings
    for mapping in mappings:
        assert files[f"{package}/mappings/{mapping.parent.name}/{mapping.name}"] == mapping.read_bytes()
    samples = REPOSITORY / "plugins" / plugin / package / "samples"
    for sample in samples.iterdir():
        assert files[f"{package}/samples/{sample.name}"] == sample.read_bytes()
    info = next(name for name in files if name.endswith("METADATA"))
    assert b"Requires-Dist: mlbsdk" in files[info]


def test_no_distribution_names_a_place_of_this_machine(built: Built) -> None:
    here = str(REPOSITORY).encode()
    assert not [name for name, content in built.files().items() if here in content or b"file:///" in content[:5000]]


def test_no_distribution_holds_a_link(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        assert not [entry.filename for entry in wheel.infolist() if stat.S_ISLNK(entry.external_attr >> 16)]
    with tarfile.open(built.sdist) as sdist:
        assert not [entry.name for entry in sdist.getmembers() if not entry.isfile() and not entry.isdir()]
        assert not [name for name in sdist.getnames() if name.startswith("/") or ".." in Path(name).parts]


def test_the_sdist_makes_the_same_wheel_as_the_tree(built: Built) -> None:
    assert built.wheel.name == built.wheel_of_tree.name
    assert built.files() == built.files(built.wheel_of_tree)


@dataclass(frozen=True)
class Installed:
    """A fresh environment with the wheels of mlbsdk and the game plugin, and an empty folder to work in."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"

    def mlbsdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = clean_environment() | {"MLBSDK_HOME": str(self.folder / "home"), "PATH": os.defpath}
        return subprocess.run(
            [str(self.python.with_name("mlbsdk")), *arguments],
            cwd=self.folder / "work",
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(all_built: dict[str, Built], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "work").mkdir()
    made = Installed(folder)
    locked = folder / "constraints.txt"  # versions as locked, so that uv's cache has them
    uv(
        "export",
        "--quiet",
        "--frozen",
        "--all-packages",
        "--no-dev",
        "--no-emit-workspace",
        "--no-hashes",
        "-o",
        locked,
    )
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    wheels = [all_built[name].wheel for name in ("mlbsdk", GAME)]
    uv("pip", "install", "--quiet", "--python", made.python, "--constraint", locked, *wheels)
    return made


def test_the_installed_wheels_run_the_sample(installed: Installed) -> None:
    done = installed.mlbsdk("run", "game.live_game_v1", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {name: table["rows"] for name, table in report["tables"].items()} == ROWS_OF_747175
    assert all(set(table) == TABLE_KEYS for table in report["tables"].values())
    assert set(report) >= {"run_id", "duration_s", "quality", "version"}
    assert (report["transform"], report["status"], report["errors"]) == ("game.live_game_v1", "completed", [])
    assert report["documents"] == {"read": 1, "newest": 1, "rejected": 0}
    assert report["target"] == "delta:warehouse"
    assert "sample" in report["source"]
    tables = {path.parent.name for path in (installed.folder / "work" / "warehouse" / "game").glob("*/_delta_log")}
    assert tables == {name.removeprefix("game.") for name in ROWS_OF_747175}


TABLE_KEYS = {"rows", "inserted", "updated", "unchanged", "deleted", "quarantined"}


def test_the_installed_plugins_are_listed(installed: Installed) -> None:
    done = installed.mlbsdk("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    text = json.dumps(json.loads(done.stdout)["plugins"])
    assert all(name in text for name in (GAME, "game.live_game_v1", "game.boxscore", "game.linescore", "delta"))
    assert '"failed"' not in text


def test_an_absent_plugin_is_named(installed: Installed) -> None:
    done = installed.mlbsdk("run", "schedule.schedule")
    assert (done.returncode, done.stdout) == (2, "")
    assert "mlbsdk-plugin-schedule" in done.stderr


def test_without_the_plugin_the_core_says_what_to_install(installed: Installed) -> None:
    """After all that needs the plugin: it takes it away."""
    remove(installed, GAME)
    done = installed.mlbsdk("run", "game.live_game_v1")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pip install {GAME}" in done.stderr
    assert installed.mlbsdk("plugins", "list").returncode == 0


#: Plugins of this repository, and what stands for their transforms.
OTHERS = {
    "mlbsdk-plugin-schedule": ("schedule.*", "season.*"),
    "mlbsdk-plugin-person": ("person.*",),
    "mlbsdk-plugin-team": ("team.*",),
}


def add(installed: Installed, built: Built) -> None:
    """Install a wheel; what plugins of transforms need is there with the core."""
    uv("pip", "install", "--quiet", "--no-deps", "--python", installed.python, built.wheel)


def remove(installed: Installed, plugin: str) -> None:
    """Take a plugin away, if it is there."""
    uv("pip", "uninstall", "--quiet", "--python", installed.python, plugin)


@pytest.mark.parametrize(
    "plugin", [one if one == "mlbsdk-plugin-schedule" else pytest.param(one, marks=pytest.mark.slow) for one in OTHERS]
)
def test_a_plugin_alone_with_the_core_runs_all_its_transforms(
    installed: Installed, all_built: dict[str, Built], plugin: str
) -> None:
    remove(installed, GAME)
    add(installed, all_built[plugin])
    try:
        done = installed.mlbsdk("run", *OTHERS[plugin], "--target", f"delta:{plugin}", "--json")
        assert done.returncode == 0, done.stderr
        runs = json.loads(done.stdout)["runs"]
        assert {f"{run['transform'].partition('.')[0]}.*" for run in runs} == set(OTHERS[plugin])
        assert all(run["status"] == "completed" and run["documents"]["newest"] == 1 for run in runs)
        assert all(sum(table["inserted"] for table in run["tables"].values()) for run in runs)
        assert GAME in installed.mlbsdk("run", "game.live_game_v1").stderr
    finally:
        remove(installed, plugin)


#: Plugins without transforms of their own, and what each declares. They bring libraries, which uv's cache has.
SERVICES = {
    "mlbsdk-plugin-analytics": {"analytics.team_travel", "analytics.player_performance"},
    "mlbsdk-plugin-argo": {"workflow", "season"},
    "mlbsdk-plugin-deequ": {"deequ"},
    "mlbsdk-plugin-postgres": {"postgresql", "raw"},
    "mlbsdk-plugin-s3": {"s3a"},
    "mlbsdk-plugin-statsapi": {"fetch"},
}


@pytest.mark.parametrize("plugin", SERVICES)
def test_a_plugin_without_transforms_is_listed_and_its_libraries_come_with_it(
    installed: Installed, all_built: dict[str, Built], plugin: str
) -> None:
    constraint = ("--constraint", installed.folder / "constraints.txt")
    wheel = all_built[plugin].wheel
    uv("pip", "install", "--quiet", "--python", installed.python, *constraint, wheel)
    try:
        done = installed.mlbsdk("plugins", "list", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        found = {each["distribution"]: each for each in json.loads(done.stdout)["plugins"]}
        assert found[plugin]["status"] == "ready"
        assert {declared["name"] for declared in found[plugin]["declarations"]} == SERVICES[plugin]
        assert installed.mlbsdk("--help").stderr == ""  # makes the commands of plugins
    finally:
        remove(installed, plugin)


@pytest.mark.slow
def test_plugins_go_together_and_one_that_goes_leaves_the_others_and_the_data(
    installed: Installed, all_built: dict[str, Built]
) -> None:
    for name in (GAME, *OTHERS):
        add(installed, all_built[name])
    done = installed.mlbsdk("run", "person.*", "game.linescore", "team.*", "--target", "delta:together", "--json")
    assert done.returncode == 0, done.stderr
    order = [run["transform"] for run in json.loads(done.stdout)["runs"]]
    assert order.index("team.team") < order.index("team.roster")
    assert order.index("person.person") < order.index("team.roster")
    remove(installed, "mlbsdk-plugin-team")
    listed = json.loads(installed.mlbsdk("plugins", "list", "--json").stdout)["plugins"]
    names = {declared["name"] for each in listed for declared in each["declarations"]}
    assert not any(name.startswith("team.") for name in names)
    assert {"person.person", "schedule.schedule", "season.season", "game.live_game_v1"} <= names
    assert "mlbsdk-plugin-team" in installed.mlbsdk("run", "team.team").stderr
    for table in ("team/team", "venue/venue", "team/roster", "person/person", "game/linescore"):
        assert len(DeltaTable(str(installed.folder / "work" / "together" / table)).to_pyarrow_table()), table
