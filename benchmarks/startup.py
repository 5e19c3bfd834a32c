"""Measure what django-telroi adds to the start of a new project: seconds and memory of ``django.setup()``.

In turns, each in a new process: a project of ``django-admin startproject``, and the same with ``django_telroi`` in
``INSTALLED_APPS``. REST framework is not installed as an app and must not be imported. Of each project the fastest of
some starts counts in a round, because other load on the machine only adds. The exit status is 1 if the bound is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

BOUND = 0.12
"""Seconds."""
STARTS = 3
"""Starts of each project in a round."""
SETTINGS = ("site_for_startup.settings", "site_with_telroi")
STARTING = """
import resource, sys, django
django.setup()
assert "rest_framework" not in sys.modules
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
ADDING = 'from site_for_startup.settings import *\n\nINSTALLED_APPS = [*INSTALLED_APPS, "django_telroi"]\n'


def start(settings: str, folder: Path) -> tuple[float, float]:
    """Start the project in a new process. Returns its seconds of processor time and its largest memory in MB."""
    # Processor time, because the wall clock also counts the time in which other processes run. Modules are compiled in
    # the warm-up, as an installation compiles them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])),
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
    }
    said = subprocess.run(
        [sys.executable, "-c", STARTING], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    return float(said[0]), float(said[1])


def fastest(folder: Path) -> list[tuple[float, float]]:
    """Start both projects in turns. Returns the fastest start of each, first that of the new project."""
    starts = [[start(settings, folder) for settings in SETTINGS] for _ in range(STARTS)]
    return [min(of_one) for of_one in zip(*starts, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=20, help=f"with {STARTS} starts of each project (default: %(default)s)"
    )
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "django", "startproject", "site_for_startup", name], check=True)
        (folder / "site_with_telroi.py").write_text(ADDING)
        fastest(folder)  # compiles the modules
        pairs = [fastest(folder) for _ in range(rounds)]
    seconds = [whole[0] - bare[0] for bare, whole in pairs]
    tenths = quantiles(seconds, n=10)
    holds = median(seconds) <= BOUND
    print(f"a new project: {median(bare[0] for bare, _ in pairs):.3f} s, {median(bare[1] for bare, _ in pairs):.1f} MB")
    print(
        f"django_telroi adds {median(seconds):.3f} s (p10 {tenths[0]:.3f}, p90 {tenths[-1]:.3f}), at most {BOUND}: "
        f"{'holds' if holds else 'falls short'}"
    )
    print(f"django_telroi adds {median(whole[1] - bare[1] for bare, whole in pairs):.1f} MB")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
