"""`countmein bench`: measure this machine, each figure beside its physical limit.

The benches are programs of the checkout; the product starts them and imports none of them.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from countmein.cli.site import SiteRefused

_CHECKOUT = Path(__file__).resolve().parents[2]


def run(arguments: Sequence[str]) -> int:
    """Run a bench of the checkout; exit status 1 if anything acknowledged was lost."""
    return run_from(_CHECKOUT, arguments)


def run_from(checkout: Path, arguments: Sequence[str]) -> int:
    """Run a bench of this checkout. Raises SiteRefused where there is none."""
    if not (checkout / "bench" / "__main__.py").exists():
        raise SiteRefused(
            "The benches are part of the source, which is not here; run this command in a checkout."
        )
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=checkout, check=False)
    return done.returncode
