# Reads how many tests passed, failed and were skipped from a runner's output, and prints the three numbers.
#
# Three forms are known: nextest's summary line, and alone on a line `N passed, N failed` (summed when repeated) or
# `N of N cases pass` as `openclaw skills test` says it.
# Invariant: output in none of these forms counts as nothing, and the caller treats nothing as a failure.

import re
import sys

ANSI = re.compile(r"\x1b\[[0-9;]*m")
SUMMARY = re.compile(r"^\s*Summary \[[^]]*\]\s+(\d+)(?:/(\d+))? tests? run: (.*)$")
CASES = re.compile(r"^(\d+) of (\d+) cases pass$")
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed$")


def number(word: str, text: str) -> int:
    """The number in front of `word` in nextest's list, 0 when it is not there."""
    match = re.search(rf"(\d+) {word}", text)
    return int(match.group(1)) if match else 0


def main() -> None:
    passed = failed = skipped = 0
    with open(sys.argv[1], encoding="utf-8", errors="replace") as output:
        for line in output:
            line = ANSI.sub("", line).rstrip()
            if match := PLAIN.match(line):
                passed += int(match.group(1))
                failed += int(match.group(2))
            elif match := CASES.match(line):
                passed += int(match.group(1))
                failed += int(match.group(2)) - int(match.group(1))
            elif match := SUMMARY.match(line):
                ran, planned, rest = int(match.group(1)), match.group(2), match.group(3)
                good = number("passed", rest)
                passed += good
                # Timed out and failed to start are failures too; so is what a stopped run never got to.
                failed += (ran - good) + (int(planned) - ran if planned else 0)
                skipped += number("skipped", rest)
    print(passed, failed, skipped)


main()
