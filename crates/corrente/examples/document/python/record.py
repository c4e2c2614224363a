#!/usr/bin/env python3.13
"""Run p01_*.py … p18_*.py beside this file and write what they print to ../expected/*.txt.

    python3.13 record.py            # about 20 seconds of real time
    python3.13 record.py --check    # run them again and compare; exit status 1 if one differs

Only CPython 3.13 is asked, since every expected text in the project comes from that version.
Standard error is not recorded: CPython warns there about the coroutine that p02 never awaits.
"""
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = HERE.parent / "expected"


def output(program):
    """What the program prints, or the end of its traceback as an error."""
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"{program.name} failed:\n{done.stderr}")
    return done.stdout


def main():
    if sys.version_info[:2] != (3, 13) or sys.implementation.name != "cpython":
        raise SystemExit(f"record with CPython 3.13, not with {sys.implementation.name} {sys.version}")
    programs = sorted(HERE.glob("p[0-9][0-9]_*.py"))
    with ThreadPoolExecutor(2) as threads:
        outputs = list(threads.map(output, programs))
    different = 0
    for program, text in zip(programs, outputs):
        file = EXPECTED / f"{program.stem}.txt"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            different += 1
            print(f"{program.stem}: prints something else now:\n{text}", end="")
    if "--check" in sys.argv:
        print(f"{len(programs) - different} of {len(programs)} programs print what was recorded")
        sys.exit(different > 0)
    print(f"{len(programs)} programs recorded")


main()
