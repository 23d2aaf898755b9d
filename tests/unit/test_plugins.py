"""The plugin edge. Broken plugins are made of files, as an install would leave them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
from typer.testing import CliRunner

import mlbsdk.plugin
from mlbsdk.cli.plugins_command import app
from mlbsdk.errors import (
    ConfigurationError,
    PluginConflictError,
    PluginContractError,
    PluginError,
    PluginVersionError,
    UnknownNameError,
)
from mlbsdk.hookspecs import HOOKSPEC_VERSION, Hooks
from mlbsdk.known_plugins import KNOWN
from mlbsdk.plugins import PluginRecord, Plugins
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.spark_lines import installed_spark


class Install(Protocol):
    def __call__(self, distribution: str, code: str, *, entry: str = "", version: str = "1.0") -> None: ...


HEAD = """
from mlbsdk import CommandDecl, ListenerDecl, QualityDecl, RawStoreDecl, SourceDecl, SparkRequirements
from mlbsdk import StorageDecl, TransformDecl, WriterDecl, hookimpl

MLBSDK_PLUGIN_API = 1

def made(*arguments):
    return arguments
"""
CSV_WRITER = """
@hookimpl
def mlbsdk_writers():
    return [WriterDecl(name="csv", summary="One CSV file a table.", make=made)]
"""


def transform(name: str) -> str:
    return f"""
@hookimpl
def mlbsdk_transforms():
    return [TransformDecl(name="{name}", summary="Tables.", mapping=("acme", "a.yaml"))]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution of one module with one entry point, as pip would, until the test is over."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MLBSDK_LOAD_PLUGINS", raising=False)
    monkeypatch.delenv("MLBSDK_DISABLED_PLUGINS", raising=False)

    def make(distribution: str, code: str, *, entry: str = "", version: str = "1.0") -> None:
        module = distribution.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)
        (tmp_path / f"{module}.py").write_text(HEAD + code)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[mlbsdk]\n{entry or module} = {module}\n")
        importlib.invalidate_caches()

    return make


def record(plugins: Plugins, distribution: str) -> PluginRecord:
    (found,) = [each for each in plugins.records() if each.distribution == distribution]
    return found


def failure(plugins: Plugins, distribution: str) -> PluginError:
    (found,) = [each for each in plugins.failures() if distribution in str(each)]
    return found


# What is there


def test_the_core_declares_its_own_through_the_same_hooks() -> None:
    plugins = Plugins.load({"MLBSDK_LOAD_PLUGINS": ""})
    assert [each.name for each in plugins.sources()] == ["file", "delta", "avro", "parquet"]
    assert [each.name for each in plugins.writers()] == ["delta", "parquet", "avro"]
    assert plugins.quality("native").name == "native"
    assert plugins.listener("openlineage").name == "openlineage"
    assert (plugins.transforms(), plugins.commands(), plugins.failures()) == ((), (), ())
    assert plugins.writer("delta").spark == plugins.source("delta").spark
    assert plugins.writer("avro").spark.packages == (installed_spark().avro,)


def test_an_installed_plugin_is_ready(install: Install) -> None:
    install("acme-csv", CSV_WRITER + transform("acme.things"), entry="csv", version="2.1")
    plugins = Plugins.load()
    assert plugins.writer("csv").summary == "One CSV file a table."
    assert plugins.transform("acme.things").mapping == ("acme", "a.yaml")
    assert plugins.origin(plugins.writer("csv")) == "acme-csv 2.1"
    found = record(plugins, "acme-csv")
    assert (found.name, found.version, found.status, found.reason) == ("csv", "2.1", "ready", None)
    assert [(each.kind, each.name, each.origin, each.status) for each in found.declarations] == [
        ("transform", "acme.things", "acme-csv 2.1", "ready"),
        ("writer", "csv", "acme-csv 2.1", "ready"),
    ]


def test_every_hook_reaches_its_accessor(install: Install) -> None:
    kinds = {"source": "Source", "raw_store": "RawStore", "writer": "Writer", "storage": "Storage"}
    kinds |= {"quality": "Quality", "listener": "Listener", "reporter": "Reporter", "command": "Command"}
    hooks = {kind: "mlbsdk_quality" if kind == "quality" else f"mlbsdk_{kind}s" for kind in kinds}
    code = "from mlbsdk import ReporterDecl\n" + "".join(
        f"@hookimpl\ndef {hooks[kind]}():\n    yield {name}Decl(name='mine', summary='', make=made)\n"
        for kind, name in kinds.items()
    )
    keys = ", ".join(f"{key}=('a',)" for key in ("inputs", "document_key", "group_by", "primary_key"))
    code += (
        "from mlbsdk import DerivedDecl\n@hookimpl\ndef mlbsdk_derived():\n"
        f"    yield DerivedDecl(name='my.table', summary='', make=made, {keys})\n"
    )
    install("acme-all", code + transform("mine"))
    plugins = Plugins.load()
    assert {*hooks.values(), "mlbsdk_transforms", "mlbsdk_derived"} == {
        name for name in vars(Hooks) if name.startswith("mlbsdk_")
    }
    for kind in (*kinds, "transform"):
        assert getattr(plugins, kind)("mine").name == "mine"
    assert plugins.derived("my.table") in plugins.derived_tables()
    for several in ("sources", "writers", "storages", "qualities", "listeners", "reporters", "commands", "transforms"):
        assert "mine" in [each.name for each in getattr(plugins, several)()]


def test_one_record_may_be_returned_bare(install: Install) -> None:
    install("acme-csv", CSV_WRITER.replace("[", "").replace("]", ""))
    assert Plugins.load().writer("csv").name == "csv"


def test_two_sets_do_not_know_each_other() -> None:
    one, other = Plugins.load({"MLBSDK_LOAD_PLUGINS": ""}), Plugins.load({"MLBSDK_LOAD_PLUGINS": ""})

    class Mine:
        MLBSDK_PLUGIN_API = 1

        @staticmethod
        @mlbsdk.plugin.hookimpl
        def mlbsdk_writers() -> list[mlbsdk.plugin.WriterDecl]:
            return [mlbsdk.plugin.WriterDecl(name="mine", summary="", make=one.writer("delta").make)]

    one.register(Mine(), name="mine")
    assert one.writer("mine").name == "mine"
    with pytest.raises(UnknownNameError):
        other.writer("mine")


def test_an_error_in_a_factory_names_the_plugin(install: Install) -> None:
    install("acme-csv", CSV_WRITER.replace("make=made", "make=broken") + "def broken(*args): import no_such_thing\n")
    plugins = Plugins.load()
    writer = plugins.writer("csv")
    with pytest.raises(PluginError, match=r"acme-csv 1\.0: 'csv' can't be made: ModuleNotFoundError.*no_such_thing"):
        plugins.call(writer, writer.make, "out", {})


# Plugins that can't be used harm nobody, and say why


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import acme_missing_dependency", "ModuleNotFoundError: No module named 'acme_missing_dependency'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
def test_a_plugin_that_fails_on_import_is_listed_with_the_reason(install: Install, code: str, reason: str) -> None:
    install("acme-broken", code, version="0.3")
    install("acme-csv", CSV_WRITER)
    plugins = Plugins.load()
    found = record(plugins, "acme-broken")
    assert (found.version, found.status, found.declarations) == ("0.3", "failed", ())
    assert reason in (found.reason or "")
    assert failure(plugins, "acme-broken").__cause__ is not None
    assert plugins.writer("csv").name == "csv"


def test_a_plugin_that_prints_on_import_leaves_standard_output_alone(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-csv", CSV_WRITER.replace("    return", "    print('hook')\n    return") + "print('hello')")
    Plugins.load().records()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\nhook\n")


def test_a_misspelt_hook_is_a_failure_with_the_near_name(install: Install) -> None:
    install("acme-csv", CSV_WRITER.replace("mlbsdk_writers", "mlbsdk_writer") + transform("acme.things"))
    install("acme-good", CSV_WRITER)
    plugins = Plugins.load()
    error = failure(plugins, "acme-csv")
    assert isinstance(error, PluginContractError)
    assert "no hook 'mlbsdk_writer'. Did you mean 'mlbsdk_writers'?" in str(error)
    assert "acme.things" not in [each.name for each in plugins.transforms()]
    assert record(plugins, "acme-good").status == "ready"


def test_a_hook_that_is_not_marked_is_a_failure(install: Install) -> None:
    install("acme-csv", CSV_WRITER.replace("@hookimpl", ""))
    assert record(Plugins.load(), "acme-csv").reason == "not marked with @hookimpl: mlbsdk_writers."


def test_a_hook_with_an_argument_that_the_spec_lacks_is_a_failure(install: Install) -> None:
    install("acme-csv", CSV_WRITER.replace("mlbsdk_writers()", "mlbsdk_writers(session)"))
    plugins = Plugins.load()
    assert isinstance(failure(plugins, "acme-csv"), PluginContractError)
    assert "session" in (record(plugins, "acme-csv").reason or "")


def test_two_plugins_with_one_entry_point_name_are_a_conflict_that_names_both(install: Install) -> None:
    install("acme-csv", CSV_WRITER, entry="csv", version="2.1")
    install("mlbsdk-csv", CSV_WRITER.replace('"csv"', '"csv2"'), entry="csv")
    plugins = Plugins.load()
    (error,) = plugins.failures()
    assert isinstance(error, PluginConflictError)
    assert "entry point 'csv' is declared twice: by acme-csv 2.1 and by mlbsdk-csv 1.0" in str(error)
    assert [record(plugins, name).status for name in ("acme-csv", "mlbsdk-csv")] == ["failed", "failed"]
    assert Plugins.load({"MLBSDK_DISABLED_PLUGINS": "mlbsdk-csv"}).writer("csv").name == "csv"


def test_two_plugins_that_claim_one_transform_are_an_error_when_it_is_asked_for(install: Install) -> None:
    install("acme-one", transform("acme.things") + CSV_WRITER)
    install("acme-two", transform("acme.things"), version="2.0")
    plugins = Plugins.load()
    assert plugins.writer("csv").name == "csv"
    assert "acme.things" not in [each.name for each in plugins.transforms()]
    with pytest.raises(
        PluginConflictError, match=r"'acme.things' is declared twice: by acme-one 1\.0 and by acme-two 2"
    ):
        plugins.transform("acme.things")
    (claimed,) = record(plugins, "acme-two").declarations
    assert claimed.status == "conflict"
    assert "acme-one 1.0" in (claimed.reason or "")


def test_a_claim_on_a_name_of_the_core_blames_the_other_plugin(install: Install) -> None:
    install("acme-delta", CSV_WRITER.replace('"csv"', '"delta"'))
    with pytest.raises(PluginConflictError, match="MLBSDK_DISABLED_PLUGINS=acme-delta"):
        Plugins.load().writer("delta")


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("None", "returned None (NoneType); expected WriterDecl records"),
        ("'csv'", "returned 'csv' (str); expected WriterDecl records"),
        ("[{'name': 'csv'}]", "returned {'name': 'csv'} (dict); expected WriterDecl records"),
        ("[SourceDecl(name='csv', summary='', make=made)]", "(SourceDecl); expected WriterDecl records"),
        ("[WriterDecl(name=None, summary='', make=made)]", "named None: name must be text"),
        ("[WriterDecl(name='csv', summary='', make=None)]", "named 'csv': make must be callable"),
        ("[WriterDecl(name='csv', summary='', make=made, supports='upsert')]", "supports must be a frozenset"),
        (
            "[WriterDecl(name='csv', summary='', make=made, spark=SparkRequirements(packages='g:a:1'))]",
            "spark must be SparkRequirements",
        ),
    ],
)
def test_a_wrong_return_value_names_the_plugin_the_hook_and_the_value(
    install: Install, returned: str, complaint: str
) -> None:
    install("acme-csv", f"@hookimpl\ndef mlbsdk_writers():\n    return {returned}\n" + transform("acme.things"))
    plugins = Plugins.load()
    assert plugins.transform("acme.things").name == "acme.things"
    assert record(plugins, "acme-csv").status == "failed"
    error = failure(plugins, "acme-csv")
    assert isinstance(error, PluginContractError)
    assert "plugin 'acme_csv' of acme-csv 1.0: mlbsdk_writers returned" in str(error)
    assert complaint in str(error)
    with pytest.raises(UnknownNameError, match=r"acme-csv 1\.0 is installed, but failed: mlbsdk_writers"):
        plugins.writer("csv")


@pytest.mark.parametrize("way", ["raise KeyError('x')", "yield 1 / 0", "exit(1)"])
def test_a_hook_that_raises_is_that_plugins_failure(install: Install, way: str) -> None:
    install("acme-csv", f"@hookimpl\ndef mlbsdk_writers():\n    {way}\n" + transform("acme.things"))
    plugins = Plugins.load()
    assert plugins.writer("delta").name == "delta"
    assert plugins.transform("acme.things").name == "acme.things"
    found = record(plugins, "acme-csv")
    assert found.status == "failed"
    assert (found.reason or "").startswith("mlbsdk_writers raised ")


@pytest.mark.parametrize(("built_for", "advice"), [(2, "Upgrade mlbsdk"), (0, "Upgrade acme-csv"), ("'1'", "Upgrade")])
def test_a_plugin_for_another_version_of_the_interface_is_refused(
    install: Install, built_for: object, advice: str
) -> None:
    install("acme-csv", f"MLBSDK_PLUGIN_API = {built_for}\n" + CSV_WRITER)
    plugins = Plugins.load()
    error = failure(plugins, "acme-csv")
    assert isinstance(error, PluginVersionError)
    assert f"built for version {built_for} of the plugin interface" in str(error)
    assert f"has version {HOOKSPEC_VERSION}" in str(error)
    assert advice in str(error)
    assert "csv" not in [each.name for each in plugins.writers()]


def test_a_plugin_that_says_no_version_is_loaded_with_a_warning(install: Install) -> None:
    install("acme-csv", CSV_WRITER + "del MLBSDK_PLUGIN_API")
    with pytest.warns(mlbsdk.plugin.MlbsdkDeprecationWarning, match=r"acme-csv 1\.0.*MLBSDK_PLUGIN_API = 1"):
        assert Plugins.load().writer("csv").name == "csv"


def test_every_sort_of_broken_plugin_is_listed_and_harms_no_other(install: Install) -> None:
    install("acme-import", "import acme_missing")
    install("acme-misspelt", CSV_WRITER.replace("mlbsdk_writers", "mlbsdk_writer"))
    install("acme-record", "@hookimpl\ndef mlbsdk_writers():\n    return ['csv']\n")
    install("acme-twin-one", CSV_WRITER, entry="twin")
    install("acme-twin-two", CSV_WRITER, entry="twin")
    install("acme-version", "MLBSDK_PLUGIN_API = 9\n" + CSV_WRITER)
    install("acme-good", CSV_WRITER + transform("acme.things"))
    found = {each["distribution"]: (each["status"], each["reason"]) for each in listed("list")["plugins"]}
    reasons = {
        "acme-import": "ModuleNotFoundError: No module named 'acme_missing'",
        "acme-misspelt": "there is no hook 'mlbsdk_writer'. Did you mean 'mlbsdk_writers'?",
        "acme-record": "mlbsdk_writers returned 'csv' (str); expected WriterDecl records.",
        "acme-twin-one": "entry point 'twin' is declared twice: by acme-twin-one 1.0 and by acme-twin-two 1.0.",
        "acme-twin-two": "entry point 'twin' is declared twice: by acme-twin-one 1.0 and by acme-twin-two 1.0.",
        "acme-version": "built for version 9 of the plugin interface (MLBSDK_PLUGIN_API); this mlbsdk",
    }
    for name, reason in reasons.items():
        status, told = found[name]
        assert status == "failed"
        assert told.startswith(reason), name
    assert found["acme-good"] == ("ready", None)
    assert Plugins.load().writer("csv").name == "csv"


# What the environment chooses


@pytest.mark.parametrize("listed", ["csv", "acme-csv", " Acme_CSV , unknown"])
def test_the_allow_list_takes_entry_points_and_distributions(install: Install, listed: str) -> None:
    install("acme-csv", CSV_WRITER, entry="csv")
    install("acme-other", "raise RuntimeError('imported')")
    plugins = Plugins.load({"MLBSDK_LOAD_PLUGINS": listed})
    assert plugins.writer("csv").name == "csv"
    other = record(plugins, "acme-other")
    assert (other.status, other.reason) == ("disabled", "not in MLBSDK_LOAD_PLUGINS")


def test_an_empty_allow_list_loads_only_the_core(install: Install) -> None:
    install("acme-csv", CSV_WRITER)
    plugins = Plugins.load({"MLBSDK_LOAD_PLUGINS": ""})
    assert {each.distribution for each in plugins.records() if each.status == "ready"} == {"mlbsdk"}
    assert plugins.writer("delta").name == "delta"


def test_a_disabled_plugin_is_not_imported(install: Install) -> None:
    install("acme-csv", "raise RuntimeError('imported')")
    plugins = Plugins.load({"MLBSDK_DISABLED_PLUGINS": "acme-csv", "MLBSDK_LOAD_PLUGINS": "acme-csv"})
    found = record(plugins, "acme-csv")
    assert (found.status, found.reason) == ("disabled", "in MLBSDK_DISABLED_PLUGINS")
    assert plugins.failures() == ()


def test_unknown_names_in_the_environment_give_notes(install: Install) -> None:
    install("acme-csv", CSV_WRITER)
    notes = Plugins.load({"MLBSDK_LOAD_PLUGINS": "acme-cvs,mlbsdk", "MLBSDK_DISABLED_PLUGINS": "zzz,mlbsdk"}).notes()
    assert notes == (
        "MLBSDK_LOAD_PLUGINS names 'acme-cvs', but no such plugin is installed. Did you mean 'acme-csv'?",
        "MLBSDK_DISABLED_PLUGINS names 'zzz', but no such plugin is installed.",
        "MLBSDK_DISABLED_PLUGINS names 'mlbsdk', but the core's own plugin is always loaded.",
    )


# Names that are not there


@pytest.mark.parametrize(
    ("kind", "name", "distribution"),
    [(kind, name.replace("*", "anything"), distribution) for (kind, name), distribution in KNOWN.items()],
)
def test_an_unknown_name_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, kind: str, name: str, distribution: str
) -> None:
    monkeypatch.setattr("mlbsdk.plugins.entry_points", lambda group: [])
    with pytest.raises(UnknownNameError) as raised:
        getattr(Plugins.load({}), kind)(name)
    assert f"'{name}'" in str(raised.value)
    assert f"Install it: pip install {distribution}." in str(raised.value)


def test_an_unknown_name_says_the_near_one_and_what_there_is(install: Install) -> None:
    install("acme-csv", transform("acme.things"))
    with pytest.raises(UnknownNameError) as raised:
        Plugins.load({"MLBSDK_LOAD_PLUGINS": "acme-csv"}).transform("acme.thing")
    assert str(raised.value) == (
        "[MLBSDK105] no plugin provides the transform 'acme.thing'. Did you mean 'acme.things'? There are: acme.things."
    )


def test_a_near_name_may_be_one_that_is_not_installed() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'postgresql'"):
        Plugins.load({"MLBSDK_LOAD_PLUGINS": ""}).writer("postgres")


def test_an_unknown_name_tells_of_the_plugin_that_failed(install: Install) -> None:
    install("mlbsdk-plugin-schedule", "import acme_missing", entry="schedule")
    with pytest.raises(UnknownNameError) as raised:
        Plugins.load().transform("schedule.schedule")
    assert "plugin 'schedule' of mlbsdk-plugin-schedule 1.0 is installed, but failed: ModuleNotFoundError" in str(
        raised.value
    )
    assert "pip install" not in str(raised.value)


def test_an_unknown_name_tells_of_the_plugin_that_is_disabled(install: Install) -> None:
    install("acme-csv", CSV_WRITER)
    with pytest.raises(UnknownNameError, match="is installed, but disabled: in MLBSDK_DISABLED_PLUGINS"):
        Plugins.load({"MLBSDK_DISABLED_PLUGINS": "acme-csv"}).writer("csv")


def test_an_unknown_name_points_to_failures_that_might_matter(install: Install) -> None:
    install("acme-broken", "import acme_missing")
    with pytest.raises(UnknownNameError, match="Some other plugins failed: see 'mlbsdk plugins list'"):
        Plugins.load().writer("xyz")


# The command line


def listed(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    data = json.loads(result.stdout)
    assert result.exit_code == 0
    assert data["version"] == 1
    return dict(data)


def test_list_json_has_every_plugin_and_declaration(install: Install) -> None:
    install("acme-csv", CSV_WRITER, version="2.1")
    install("acme-broken", "import acme_missing")
    found = {each["distribution"]: each for each in listed("list")["plugins"]}
    assert found["acme-broken"]["status"] == "failed"
    assert found["acme-broken"]["reason"] == "ModuleNotFoundError: No module named 'acme_missing'"
    assert found["acme-csv"]["declarations"] == [
        {
            "kind": "writer",
            "name": "csv",
            "summary": "One CSV file a table.",
            "from": "acme-csv 2.1",
            "status": "ready",
            "reason": None,
            "details": {"supports": ["delete", "upsert"], "packages": [], "session": {}},
        }
    ]


@pytest.mark.parametrize("arguments", [["list"], []])
def test_list_is_a_table_on_standard_output(
    install: Install, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    install("acme-csv", CSV_WRITER, version="2.1")
    install("acme-broken", "import acme_missing")
    monkeypatch.setenv("MLBSDK_DISABLED_PLUGINS", "zzz")
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    rows = [line.split(maxsplit=4) for line in result.stdout.splitlines()]
    assert rows[0] == ["KIND", "NAME", "FROM", "STATUS"]
    assert ["writer", "csv", "acme-csv", "2.1", "ready"] in rows
    reason = "failed: ModuleNotFoundError: No module named 'acme_missing'"
    assert ["plugin", "acme_broken", "acme-broken", "1.0", reason] in rows
    assert result.stderr == "note: MLBSDK_DISABLED_PLUGINS names 'zzz', but no such plugin is installed.\n"


@pytest.mark.parametrize("name", ["csv-plugin", "acme-csv", "Acme_Csv"])
def test_show_takes_a_plugin_or_a_distribution(install: Install, name: str) -> None:
    install("acme-csv", CSV_WRITER + transform("acme.things"), entry="csv-plugin")
    (found,) = listed("show", name)["plugins"]
    assert [each["name"] for each in found["declarations"]] == ["acme.things", "csv"]


def test_show_takes_the_name_of_a_declaration(install: Install) -> None:
    install("acme-csv", CSV_WRITER + transform("acme.things"))
    (found,) = listed("show", "acme.things")["plugins"]
    (declaration,) = found["declarations"]
    assert declaration["details"] == {"mapping": "acme/a.yaml", "sample": None, "class": "generated"}
    text = CliRunner().invoke(app, ["show", "acme.things"], catch_exceptions=False).stdout
    assert "transform acme.things: ready" in text
    assert "mapping: acme/a.yaml" in text


def test_show_of_an_unknown_name_is_an_error_with_the_near_one(install: Install) -> None:
    install("acme-csv", CSV_WRITER)
    error = CliRunner().invoke(app, ["show", "acme-cvs"]).exception
    assert isinstance(error, UnknownNameError)
    assert "'acme-cvs'. Did you mean 'acme-csv'?" in str(error)
    assert error.exit_code == 2


def test_a_command_that_can_not_be_made_takes_no_other_down(install: Install, tmp_path: Path) -> None:
    code = """
def broken():
    raise RuntimeError("no such thing")

@hookimpl
def mlbsdk_commands():
    return [CommandDecl(name="acme", summary="Acme.", make=broken)]
"""
    install("acme-command", HEAD + code)
    done = subprocess.run(
        [sys.executable, "-m", "mlbsdk.cli.main", "plugins", "list"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "acme-command" in done.stdout
    assert done.stderr.startswith("warning: [MLBSDK101] acme-command 1.0: 'acme' can't be made: RuntimeError")


# What a run makes of plugins


@pytest.mark.parametrize(("kind", "argument"), [("Source", "source"), ("Writer", "target")])
def test_a_factory_that_fails_in_a_run_names_its_plugin(install: Install, kind: str, argument: str) -> None:
    code = f"""
def broken(address, options):
    import acme_missing

@hookimpl
def mlbsdk_{kind.lower()}s():
    return [{kind}Decl(name="acme", summary="Acme.", make=broken)]
"""
    install("acme-store", HEAD + code)
    sample = "plugins/mlbsdk-plugin-game/mlbsdk_plugin_game/samples/linescore_747175.json.gz"
    given = {"source": str(Path(__file__).parents[2] / sample), argument: "acme:x"}
    with pytest.raises(PluginError, match=r"acme-store 1\.0: 'acme' can't be made: ModuleNotFoundError"):
        run(RunRequest(name="game.linescore", **given))


def test_a_writer_that_can_not_do_what_the_mapping_asks_for_is_refused(install: Install) -> None:
    code = """
@hookimpl
def mlbsdk_writers():
    return [WriterDecl(name="acme", summary="Acme.", make=made, supports=frozenset({"upsert"}))]
"""
    install("acme-store", HEAD + code)
    with pytest.raises(ConfigurationError, match=r"'acme' does not support delete, which game\.linescore needs"):
        run(RunRequest(name="game.linescore", target="acme:x"))


# Light


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlbsdk.cli.plugins_command import list_plugins; list_plugins(); "
        "print(sorted({'pyspark', 'pyarrow', 'deltalake', 'openlineage', 'sqlglot', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "openlineage" in done.stdout


def test_the_public_module_imports_no_spark_until_asked() -> None:
    code = "import sys, mlbsdk.plugin as p; print([n for n in p.__all__ if n not in dir(p)], 'pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


def test_the_public_module_has_all_that_it_lists() -> None:
    for name in mlbsdk.plugin.__all__:
        assert getattr(mlbsdk.plugin, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'NoSuchName'"):
        mlbsdk.plugin.NoSuchName  # noqa: B018
