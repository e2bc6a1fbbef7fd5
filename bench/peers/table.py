# Writes the rows the peers printed into docs/benchmarks.md, between its two marks.

import json
import pathlib
import sys

DOCUMENT = pathlib.Path("docs/benchmarks.md")
BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"


def cell(row: dict) -> str:
    value = row["value"]
    number = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{number}{'' if row['unit'].startswith('/') else ' '}{row['unit']}"


def main() -> None:
    rows = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    machine = sys.argv[2]
    lines = [f"Measured by `make bench-peers` on {machine}.", "", "| what | measured |", "|---|---|"]
    lines += [f"| {row['what']} | {cell(row)} |" for row in rows]
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    print("\n".join(lines))


main()
