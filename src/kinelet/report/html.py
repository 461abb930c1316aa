"""One HTML file that needs nothing else: styles and pictures inside, no script, light and dark."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinelet.files import write_text

STYLE = """
:root{--ink:#1b2430;--soft:#5a6675;--paper:#fbfaf7;--card:#ffffff;--line:#e3e0d8;--accent:#0b7285;--warm:#d9480f}
@media(prefers-color-scheme:dark){:root{--ink:#e8e6e1;--soft:#a3abb6;--paper:#15191e;--card:#f4f2ec;--line:#2e353d;
--accent:#3bc9db;--warm:#ff922b}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.6 Georgia,'Iowan Old Style',serif}
main{max-width:860px;margin:0 auto;padding:48px 20px 96px}
h1{font-size:2.1em;line-height:1.15;margin:.2em 0 .4em;letter-spacing:-.01em}
h2{font-size:1.35em;margin:2.4em 0 .4em}
p{margin:.6em 0}
.lead{font-size:1.15em;color:var(--soft)}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px;margin:28px 0}
.number{border:1px solid var(--line);border-radius:12px;padding:16px 18px}
.number b{display:block;font:600 1.9em/1.1 ui-sans-serif,system-ui,sans-serif;color:var(--accent)}
.number span{display:block;font:14px/1.4 ui-sans-serif,system-ui,sans-serif;color:var(--soft);margin-top:6px}
figure{margin:22px 0;padding:14px;background:var(--card);border:1px solid var(--line);border-radius:12px}
figure svg,figure img{display:block;width:100%;height:auto}
figcaption{font:14px/1.45 ui-sans-serif,system-ui,sans-serif;color:#5a6675;margin-top:8px}
table{border-collapse:collapse;width:100%;font:15px/1.4 ui-sans-serif,system-ui,sans-serif;margin:16px 0}
th,td{text-align:left;padding:7px 10px;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}
td.n{font-variant-numeric:tabular-nums}
code,pre{font:14px/1.5 ui-monospace,Menlo,Consolas,monospace}
pre{padding:14px;border:1px solid var(--line);border-radius:12px;overflow-x:auto;white-space:pre-wrap}
.wide{overflow-x:auto}
footer{margin-top:56px;color:var(--soft);font:14px/1.5 ui-sans-serif,system-ui,sans-serif}
"""


@dataclass(frozen=True)
class Section:
    """A heading and its content, already HTML."""

    title: str
    body: str


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def numbers(items: Iterable[tuple[str, str]]) -> str:
    """A row of large numbers with what they mean."""
    cells = (f'<div class="number"><b>{html.escape(n)}</b><span>{html.escape(t)}</span></div>' for n, t in items)
    return f'<div class="numbers">{"".join(cells)}</div>'


def figure(svg: str, caption: str) -> str:
    """A picture with its caption; the caption is what a person who cannot see the picture is told."""
    told = html.escape(caption)
    return f'<figure role="img" aria-label="{told}">{svg}<figcaption>{told}</figcaption></figure>'


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of plain text."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f'<td class="n">{html.escape(str(c))}</td>' for c in r) + "</tr>" for r in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def code(text: str) -> str:
    """Preformatted text."""
    return f"<pre>{html.escape(text)}</pre>"


def write_page(path: str | Path, title: str, lead: str, sections: Sequence[Section], footer: str) -> None:
    """Write the page, atomically."""
    parts = "".join(f"<section><h2>{html.escape(s.title)}</h2>{s.body}</section>" for s in sections)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}</p>{parts}'
        f"<footer>{html.escape(footer)}</footer></main></body></html>"
    )
    write_text(path, page)
