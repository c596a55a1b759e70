"""Runs a few commands and draws what a terminal shows of them: docs/terminal.svg, the picture in
README.md. Needs the model of `make demo`, and `make cc`.

    python docs/terminal.py
"""

import os
import re
import subprocess
import sys
import textwrap
import xml.sax.saxutils

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

from cli import Parser, UserError, atomic_write, run_command  # noqa: E402

SESSION = (  # (how it is shown, how it is run)
    ("echo 'Sumogetti left Vremland.' > news.txt", ""),
    (
        "python inference.py --mode line --restore runs/demo/checkpoint < news.txt",
        "echo 'Sumogetti left Vremland.' | {python} inference.py --mode line "
        "--restore runs/demo/checkpoint",
    ),
    (
        "etagger model.etagger --line --json < news.txt",
        "{python} inference/export.py --restore runs/demo/checkpoint --engine {engine} && "
        "echo 'Sumogetti left Vremland.' | inference/cc/build/etagger {engine} --line --json",
    ),
    (
        "etagger model.etagger < data/sample/test.txt | perl etc/conlleval",
        "inference/cc/build/etagger {engine} < data/sample/test.txt | perl etc/conlleval",
    ),
)
COLUMNS = 92
SIZE, LINE, MARGIN, BAR = 14, 20, 18, 34  # pixels: letters, lines, around the text, title bar
ADVANCE = 0.6 * SIZE  # of a letter
# Parts of a line of output in a colour of their own.
MARKS = re.compile(r"\b[BI]-(PER|LOC|ORG|MISC)\b|\b(PER|LOC|ORG|MISC)\b|(?<=FB1:) +[\d.]+")
STYLE = """
    text {
      font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
      white-space: pre;
      fill: #24292f;
    }
    .frame { fill: #ffffff; stroke: #d0d7de; }
    .bar { fill: #f0f2f5; }
    .dot { fill: #c4cad2; }
    .prompt { fill: #1a7f37; font-weight: bold; }
    .command { font-weight: bold; }
    .PER { fill: #8250df; } .LOC { fill: #0969da; } .ORG { fill: #bc4c00; } .MISC { fill: #9a6700; }
    .score { fill: #1a7f37; font-weight: bold; }
    @media (prefers-color-scheme: dark) {
      text { fill: #d1d7e0; }
      .frame { fill: #0d1117; stroke: #3d444d; }
      .bar { fill: #1c2128; }
      .dot { fill: #4c535c; }
      .prompt, .score { fill: #56d364; }
      .PER { fill: #d2a8ff; } .LOC { fill: #79c0ff; }
      .ORG { fill: #ffa657; } .MISC { fill: #e3b341; }
    }
"""


def screen(engine):
    """What the terminal shows: a list of lines, each a list of (text, class)."""
    lines = []
    for shown, command in SESSION:
        lines.append([("$ ", "prompt"), (shown, "command")])
        for line in output_of(command.format(python=sys.executable, engine=engine)):
            parts = textwrap.wrap(line, COLUMNS) or [""]
            lines.extend(coloured(part) for part in parts)
        lines.append([])
    return lines[:-1]


def output_of(command):
    """The lines that a command prints on standard output. Raises UserError."""
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{command}: {done.stderr.strip()}; first make demo cc")
    return done.stdout.rstrip("\n").splitlines()


def coloured(line):
    """A line of output as (text, class)."""
    parts, end = [], 0
    for match in MARKS.finditer(line):
        parts += [(line[end : match.start()], ""), (match[0], match[1] or match[2] or "score")]
        end = match.end()
    return [part for part in [*parts, (line[end:], "")] if part[0]]


def drawn(lines):
    """The picture as SVG. Each part of a line has its place and width, whatever the font."""
    width = round(COLUMNS * ADVANCE + 2 * MARGIN)
    height = BAR + 2 * MARGIN + LINE * len(lines) - (LINE - SIZE)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="Tagging and scoring in a terminal">',
        f"  <style>{STYLE}  </style>",
        f'  <rect class="frame" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="9"/>',
        f'  <path class="bar" d="M1 {BAR}V10a9 9 0 0 1 9-9H{width - 10}a9 9 0 0 1 9 9V{BAR}z"/>',
    ]
    for x in (20, 38, 56):
        out.append(f'  <circle class="dot" cx="{x}" cy="{BAR / 2:g}" r="5.5"/>')
    for row, line in enumerate(lines):
        y, column = BAR + MARGIN + LINE * row + SIZE - 3, 0
        for text, name in line:
            out.append(text_node(text, name, MARGIN + ADVANCE * column, y))
            column += len(text)
    return "\n".join([*out, "</svg>", ""])


def text_node(text, name, x, y):
    """A text element; blanks at its ends become distance."""
    shown = text.strip()
    x += ADVANCE * (len(text) - len(text.lstrip()))
    kind = f' class="{name}"' if name else ""
    length = f'textLength="{ADVANCE * len(shown):.1f}" lengthAdjust="spacingAndGlyphs"'
    escaped = xml.sax.saxutils.escape(shown)
    return f'  <text{kind} xml:space="preserve" x="{x:.1f}" y="{y}" {length}>{escaped}</text>'


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--output", default=os.path.join(HERE, "terminal.svg"), help="the picture")
    args = parser.parse_args()
    picture = drawn(screen(os.path.join("runs", "demo", "model.etagger")))
    with atomic_write(args.output, "w", encoding="utf-8") as out:
        out.write(picture)


if __name__ == "__main__":
    run_command(main)
