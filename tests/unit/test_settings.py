"""Settings: a file, then variables, then flags; what is wrong is told with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbsdk.errors import ConfigurationError
from mlbsdk.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MLBSDK_{name.upper()}", raising=False)


def settings_file(text: str, name: str = "mlbsdk.yaml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_has_to_be_set() -> None:
    assert load_settings(None, {"source": None}) == Settings()
    assert Settings().target == "delta:warehouse"


def test_flags_win_over_variables_and_these_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings_file("source: file\ntarget: delta:file\non_error: quarantine\n")
    monkeypatch.setenv("MLBSDK_TARGET", "delta:variable")
    monkeypatch.setenv("MLBSDK_SOURCE", "variable")
    found = load_settings(None, {"source": "flag", "target": None})
    assert (found.source, found.target, found.on_error) == ("flag", "delta:variable", "quarantine")


def test_a_named_file_takes_the_place_of_the_one_in_the_folder() -> None:
    settings_file("target: delta:here\n")
    assert load_settings(settings_file("source: x\n", "other.yaml"), {}).target == "delta:warehouse"


def test_spark_settings_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    settings_file("spark:\n  spark.master: local[1]\n")
    assert load_settings(None, {}).spark == {"spark.master": "local[1]"}
    monkeypatch.setenv("MLBSDK_SPARK", '{"spark.master": "local[2]"}')
    assert load_settings(None, {}).spark == {"spark.master": "local[2]"}


def test_other_variables_of_ours_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBSDK_HOME", "/nowhere")
    assert load_settings(None, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("targt: x", "setting 'targt': is no setting. Did you mean 'target'?"),
        ("on_error: ignore", "setting 'on_error': Input should be 'fail' or 'quarantine'"),
        ("spark: {spark.ui.enabled: true}", "setting 'spark.spark.ui.enabled'"),
        ("[1, 2]", "can't be read"),
        ("target: [", "can't be read"),
        ("target: !!python/object/apply:os.getcwd []", "can't be read"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(settings_file(text), {})
    assert told in str(caught.value)
    assert "mlbsdk.yaml" in str(caught.value)


def test_a_file_that_was_named_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"'none\.yaml' does not exist"):
        load_settings(Path("none.yaml"), {})


def test_a_variable_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBSDK_SPARK", "{")
    with pytest.raises(ConfigurationError, match="spark"):
        load_settings(None, {})
