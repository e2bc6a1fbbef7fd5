# Puts what the peers printed beside what the gateway and its floors did in the same run: a table in docs/benchmarks.md,
# between its two marks, and docs/benchmarks-peers.json, the last column of `make bench`.

import json
import pathlib
import sys

DOCUMENT = pathlib.Path("docs/benchmarks.md")
KEPT = pathlib.Path("docs/benchmarks-peers.json")
BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
# What one of a unit is in the smallest of its kind, so that µs and ms can be divided by each other.
SCALE = {"µs": 1, "ms": 1_000, "s": 1_000_000}


def cell(number: dict | None) -> str:
    if number is None:
        return "–"
    value = number["value"]
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{text}{'' if number['unit'].startswith('/') else ' '}{number['unit']}"


def times(left: dict | None, right: dict | None) -> str:
    """How many times the right one the left one is, when both are of one kind."""
    if left is None or right is None:
        return "–"
    units = left["unit"], right["unit"]
    if units[0] != units[1] and not all(unit in SCALE for unit in units):
        return "–"
    divisor = right["value"] * SCALE.get(units[1], 1)
    if divisor <= 0:
        return "–"
    ratio = left["value"] * SCALE.get(units[0], 1) / divisor
    return f"{ratio:,.0f} ×" if ratio >= 100 else f"{ratio:.2f} ×"


def read(file: str) -> list[dict]:
    return [json.loads(line) for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines()]


def table(ours: list[dict], peers: list[dict]) -> list[str]:
    by_key = {row["key"]: row for row in ours}
    lines = ["| a peer | measured | gateway | peer : gateway | floor | gateway : floor |", "|---|---|---|---|---|---|"]
    for peer in peers:
        own = by_key.get(peer["key"])
        floor = own and own["floor"]
        beside = f"{own['what']}: {cell(own)}" if own else "–"
        below = f"{floor['what']}: {cell(floor)}" if floor else "–"
        lines.append(
            f"| {peer['what']} | {cell(peer)} | {beside} | {times(peer, own)} | {below} | {times(own, floor)} |"
        )
    return lines


def main() -> None:
    ours, peers, machine = read(sys.argv[1]), read(sys.argv[2]), sys.argv[3]
    lines = table(ours, peers)
    written = [f"Measured by `make bench-peers` on {machine}, all in one run.", "", *lines]
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(written) + f"\n{END}{after}", encoding="utf-8")
    kept = {"measured": f"by `make bench-peers` on {machine}", "rows": peers}
    KEPT.write_text(json.dumps(kept, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
