"""Measure the engine, and the same work done by other means; see README.md for what each line means.

Usage::

    python benchmarks/run.py                      # 1, 20 and 200 games, everything
    python benchmarks/run.py --games 2430         # a season
    python benchmarks/run.py --quick              # one game and 20 games, once
    python benchmarks/run.py --save NAME          # also writes benchmarks/results/NAME.txt
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# The tests' PostgreSQL server.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import Bench
from workload import SECTIONS

_SIZES, _RUNS = (1, 20, 200), 3
_QUICK_SIZES, _QUICK_RUNS = (1, 20), 1


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description="Measure the engine, and the same work done by other means.")
    parser.add_argument("--games", type=int, nargs="+", metavar="N", help="sizes (default 1 20 200)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each measure (default 3)")
    parser.add_argument("--quick", action="store_true", help="one game and 20 games, each measure once")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections to measure")
    parser.add_argument("--skip", nargs="+", default=[], choices=SECTIONS, help="sections to leave out")
    parser.add_argument("--save", metavar="NAME", help="write the text to benchmarks/results/NAME.txt too")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="another mapping of game.live_game_v1")
    parser.add_argument("--gzip", action="store_true", help="gzipped captures")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the captures (default 0)")
    parser.add_argument("--without-arrow", action="store_true", help="Spark commits small batches too, as on a cluster")
    parser.add_argument("--spark", action="append", default=[], metavar="KEY=VALUE", help="a Spark setting; repeatable")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where temporary files go (default: the system's)")
    given = parser.parse_args()
    given.games = given.games or (_QUICK_SIZES if given.quick else _SIZES)
    given.runs = (_QUICK_RUNS if given.quick else _RUNS) if given.runs is None else given.runs
    given.skip = [*given.skip, *(name for name in SECTIONS if given.only and name not in given.only)]
    if min(given.games) < 1 or given.runs < 1:
        parser.error("--games and --runs must be at least 1")
    if any("=" not in setting for setting in given.spark):
        parser.error("--spark needs KEY=VALUE")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the temporary folder goes then too
    work = Path(tempfile.mkdtemp(prefix="mlbsdk-benchmark-", dir=given.work))
    try:
        bench = Bench(given, work)
        try:
            bench.measure()
        finally:
            bench.close()
            if given.save:
                print(f"saved: {bench.out.save(given.save)}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
