"""The entry point: help, exit status, one line for every mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli_tools import finish, kinelet, start
from kinelet.cli import listing
from kinelet.cli.app import app
from kinelet.cli.corpus import app as corpus_app
from kinelet.cli.distance import app as distance_app

COMMANDS = [
    *([str(c.name)] for c in app.registered_commands),
    *(["corpus", str(c.name)] for c in corpus_app.registered_commands),
    *(["distance", str(c.name)] for c in distance_app.registered_commands),
]
HEAVY = ("torch", "numpy", "scipy", "pyarrow", "matplotlib", "sklearn", "pandas", "rich", "pydantic", "yaml")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nsys.argv = ['kinelet', '--help']\nfrom kinelet.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print('loaded', [m for m in {HEAVY} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "loaded []"


def test_the_commands_of_the_contract_are_there() -> None:
    promised = {"demo", "read", "pretrain", "evaluate", "embed", "report", "list", "doctor"}
    assert promised <= {c[0] for c in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_its_options(command: list[str]) -> None:
    shown = kinelet(*command, "--help")
    summary = shown.out.split("\n\n")[1].strip()
    assert shown.status == 0
    assert len(summary) > 20
    bare = [line for line in shown.out.splitlines() if line.startswith("  --") and len(line.split()) < 3]
    assert not bare, "options without an explanation"


def test_every_line_of_the_overview_fits_without_being_cut() -> None:
    cut = [line for line in kinelet("--help").out.splitlines()[1:] if line.rstrip().endswith("...")]
    assert not cut


def test_without_a_command_the_help_is_shown() -> None:
    shown = kinelet()
    assert "Commands:" in shown.out + shown.err


def test_an_unknown_option_in_a_process_of_its_own() -> None:
    answer = finish(start(["read", "--bogus"]))
    assert answer.complaint == "kinelet: no such option: --bogus. See kinelet read --help"
    assert answer.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reed", "x.cwa"], "reed"),
        (["read"], "missing argument 'path'"),
        (["read", "x.cwa", "--limit", "many"], "'--limit'"),
        (["read", "x.cwa", "gap"], "key=value"),
        (["read", "x.cwa", "gap=["], "gap=["),
        (["corpus", "build", "x"], "--out"),
        (["corpus", "bild", "x"], "kinelet corpus --help"),
        (["list", "fruit"], "encoders, methods"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments: list[str], told: str) -> None:
    assert told in kinelet(*arguments).complaint


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_adds_the_traceback_and_keeps_the_status(place: str) -> None:
    command = ["list", "fruit"]
    answer = kinelet(*(["--debug", *command] if place == "before" else [*command, "--debug"]))
    assert answer.status == 2
    assert "Traceback" in answer.err
    assert answer.err.splitlines()[-1].startswith("kinelet: nothing called 'fruit'")


def test_a_defect_is_one_line_too_and_says_how_to_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(listing._SOURCES, "methods", lambda: {}[0])  # type: ignore[index]
    answer = kinelet("list", "methods")
    assert answer.status == 1
    assert answer.err.count("\n") == 1
    assert "KeyError" in answer.err
    assert "--debug" in answer.err


def test_a_refusal_of_the_system_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> dict[str, str]:
        raise PermissionError(13, "Permission denied", "secret.cwa")

    monkeypatch.setitem(listing._SOURCES, "methods", refuse)
    assert kinelet("list", "methods").complaint == "kinelet: secret.cwa: permission denied"


def test_an_interrupted_command_exits_as_the_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setitem(listing._SOURCES, "methods", interrupt)
    answer = kinelet("list", "methods")
    assert answer.status == 130
    assert "Traceback" not in answer.err


def test_a_file_in_place_of_a_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "holds no corpus" in kinelet("corpus", "info", tmp_path / "file").complaint
