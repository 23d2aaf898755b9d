"""The pytest plugin and what it gives: golden files, options, whose contract is tested. Starts no Spark."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import pytest

from mlbsdk.deprecation import MlbsdkDeprecationWarning, warn_deprecated
from mlbsdk.errors import ConfigurationError, PluginError
from mlbsdk.testing import Golden
from mlbsdk.testing.contracts.declared import Declared, distribution_of


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_rows_are_compared_in_any_order_without_the_columns_of_a_run(tmp_path: Path) -> None:
    rows = [{"id": 2, "day": date(2024, 7, 1), "transform_timestamp": 1}, {"id": 1, "day": None}]
    Golden(tmp_path / "golden", update=True).check("a", {"x.t": rows, "x.none": []})
    golden = Golden(tmp_path / "golden")
    golden.check("a", {"x.none": [], "x.t": [*reversed(rows)]})
    assert (tmp_path / "golden" / "a.json").read_text() == (
        '{\n  "x.none": [],\n  "x.t": [\n    {"day": "2024-07-01", "id": 2},\n    {"day": null, "id": 1}\n  ]\n}\n'
    )
    with pytest.raises(AssertionError, match=r'(?s)--mlbsdk-update-golden.*\+    \{"day": null, "id": 3\}'):
        golden.check("a", {"x.none": [], "x.t": [rows[0], {"id": 3, "day": None}]})
    with pytest.raises(AssertionError, match="there is no golden file"):
        golden.check("b", {})
    with pytest.raises(ValueError, match="no folder in it"):
        golden.check("../b", {})


def test_pytest_starts_without_importing_anything_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    heavy = {'pyspark', 'pyarrow', 'pydantic', 'yaml', 'typer', 'deltalake', 'openlineage'}\n"
        "    assert 'mlbsdk.testing.pytest_plugin' in sys.modules\n"
        "    assert heavy & set(sys.modules) == set()\n"
    )
    # hypothesis and others load what they like; only ours is looked at.
    done = pytest_in(tmp_path, "-p", "no:hypothesispytest")
    assert done.returncode == 0, done.stdout


def test_a_contract_without_a_project_or_a_plugin_is_an_error_of_usage(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    done = pytest_in(tmp_path, "--mlbsdk-contract")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--mlbsdk-contract-of NAME" in done.stderr
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'acme-none'\n")
    done = pytest_in(tmp_path, "--mlbsdk-contract")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no plugin of the distribution 'acme-none' is installed" in done.stderr


def test_the_project_is_the_one_that_pyproject_names(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'acme'\n")
    assert distribution_of(tmp_path) == "acme"
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ConfigurationError, match="can't be read"):
        distribution_of(tmp_path)
    assert distribution_of(tmp_path / "none", required=False) == ""


def test_what_is_tested_is_what_the_distribution_declares() -> None:
    declared = Declared.by(["MLBSDK_plugin.postgres"])
    assert declared.names("plugin") == ("mlbsdk-plugin-postgres",)
    assert (declared.names("writer"), declared.names("source")) == (("postgresql",), ("postgresql",))
    assert declared.names("transform") == ()
    with pytest.raises(PluginError, match="pip install --editable"):
        Declared.by(["acme-none"])


def test_a_deprecation_names_what_when_and_what_to_do() -> None:
    def old() -> None:
        warn_deprecated("old()", since="0.2", removed_in="0.3", instead="Use new().")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old()
    (warning,) = caught
    assert warning.category is MlbsdkDeprecationWarning
    assert str(warning.message) == "old() is deprecated since mlbsdk 0.2 and will be removed in 0.3. Use new()."
    assert warning.filename == __file__
