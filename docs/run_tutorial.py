"""Run the commands and Python blocks of the tutorial and write their output back into it.

    python docs/run_tutorial.py FOLDER

``FOLDER`` holds the recordings that the tutorial uses and nothing that it makes; what it makes goes there. Every line
that begins with ``$`` in a ``console`` block is run by the shell, every ``python`` block by Python, in the order of the
page; what they print replaces what stands below them (a ``text`` block after a ``python`` block). Progress
lines are left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("tutorial.md")
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```\n(\n```text\n.*?^```\n)?", re.M | re.S)
PROGRESS = re.compile(r"^[\w ]+(?: \S+)?: [\d,]+/[\d,]+ \w+, .*$")


def run(command: list[str], folder: Path) -> str:
    """Both streams of a command, without progress lines, trailing blanks and the folder's own path."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(without(f"{folder}/", line.rstrip()) for line in lines if not PROGRESS.match(line)) + "\n"


def without(place: str, line: str) -> str:
    """A line without a place in it; a row of a table keeps its length."""
    short = line.replace(place, "")
    return f"{short[:-1]:<{len(line) - 1}}│" if line.endswith("│") else short


def rerun(match: re.Match[str], folder: Path) -> str:
    """One block with what it prints now."""
    kind, body, output = match.groups()
    if kind == "console":
        commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        said = "\n".join(f"$ {c}\n{run(['bash', '-c', c], folder)}" for c in commands)
        return f"```console\n{said}```\n"
    said = run([sys.executable, "-c", body], folder)
    return f"```python\n{body}```\n" + (f"\n```text\n{said}```\n" if said.strip() or output else "")


def main() -> None:
    """Rewrite the page."""
    folder = Path(sys.argv[1]).resolve()
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda match: rerun(match, folder), page), encoding="utf-8")


if __name__ == "__main__":
    main()
