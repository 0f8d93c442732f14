"""The checks that no linter does: migrations, deployment, locks and the rules of the house.

Run as `python tools/check.py`; prints one line per check and exits 1 if any fails. The house rules
are tried on good and bad lines first, so a rule that finds nothing cannot pass for a clean house.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES_AT_MOST = 450
FUNCTION_LINES_AT_MOST = 60
SAYS_NOTHING = re.compile(
    r"(^|/)(utils?|helpers?|services?|managers?|handlers?|common|misc)(\.py$|/)"
)
SIGNALS = re.compile(r"\b(post_save|pre_save|post_delete|m2m_changed|@receiver)\b")
OWN_CLOCK = re.compile(r"\b(datetime\.now|datetime\.utcnow|timezone\.now|time\.time)\(")
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|\bstyle=\"|\son[a-z]+=\"", re.IGNORECASE)

#: Where the machine's clock is what is meant, with the reason.
READS_THE_CLOCK = {
    "countmein/base/ids.py": "ids carry the machine's time",
    "countmein/outreach/channels/email.py": "a mail's Date is when it was really sent",
}


def tracked(*patterns: str) -> Iterator[tuple[str, str]]:
    """The project's own text files that match, with their contents."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    for name in sorted(filter(None, listed)):
        path = ROOT / name
        if path.is_file() and "/vendor/" not in name and "/migrations/" not in name:
            yield name, path.read_text()


def long_files() -> Iterator[str]:
    """Files that have grown past a sitting's reading."""
    for name, text in tracked("*.py", "*.html", "*.css", "*.js"):
        if text.count("\n") > LINES_AT_MOST:
            yield f"{name}: {text.count(chr(10))} lines"


def long_functions() -> Iterator[str]:
    """Functions that do not fit a screen."""
    for name, text in tracked("countmein/*.py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_AT_MOST:
                    yield f"{name}: {node.name} has {lines} lines"


def empty_names() -> Iterator[str]:
    """Names that say nothing about what lives there."""
    for name, _text in tracked("*.py"):
        if not name.startswith("tests/") and SAYS_NOTHING.search(name):
            yield name


def signals() -> Iterator[str]:
    """Signals: a reader could not follow the call with "go to definition"."""
    yield from matching(SIGNALS, "countmein/*.py")


def own_clocks() -> Iterator[str]:
    """Readings of a clock that is not the site's."""
    for found in matching(OWN_CLOCK, "countmein/*.py"):
        name = found.split(":")[0]
        if name not in READS_THE_CLOCK and not name.startswith("countmein/cli/"):
            yield found


def inline_code() -> Iterator[str]:
    """Inline scripts and styles, which the content security policy would refuse."""
    for found in matching(INLINE, "countmein/web/*.html"):
        # Mailboxes drop style sheets, so mails are the one place for inline styles.
        if "/email/" not in found:
            yield found


def hosts_in_locks() -> Iterator[str]:
    """Registry hosts in a lock: the next machine may have another registry."""
    for name, text in tracked("*.lock"):
        if "://" in text:
            yield name


def matching(pattern: re.Pattern[str], *files: str) -> Iterator[str]:
    """Where a pattern occurs in the project's files."""
    for name, text in tracked(*files):
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line):
                yield f"{name}:{number}: {line.strip()[:80]}"


def rules_work() -> Iterator[str]:
    """Each pattern finds its bad line and leaves its good one alone."""
    lines = [
        (SAYS_NOTHING, "countmein/base/utils.py", "countmein/base/ids.py"),
        (SAYS_NOTHING, "countmein/helpers/x.py", "countmein/kinds/money.py"),
        (SIGNALS, "post_save.connect(f)", "post(letters)"),
        (OWN_CLOCK, "now = timezone.now()", "now = site_now()"),
        (INLINE, "<script>alert(1)</script>", '<script src="/static/live.js" defer></script>'),
        (INLINE, '<p style="color:red">', '<p class="hint">'),
        (INLINE, '<a onclick="go()">', '<a href="/on/">'),
    ]
    for pattern, bad, good in lines:
        if not pattern.search(bad):
            yield f"{pattern.pattern} misses {bad}"
        if pattern.search(good):
            yield f"{pattern.pattern} hits {good}"


def manage(*arguments: str, **environment: str) -> Iterator[str]:
    """Run one of Django's own checks on a throw-away home; its complaint is the fault."""
    with tempfile.TemporaryDirectory(prefix="countmein-check-") as home:
        key = Path(home) / "key"
        key.write_text("k" * 20 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP")
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "countmein.settings",
                "COUNTMEIN_HOME": home,
                "COUNTMEIN_SECRET_KEY_FILE": str(key),
                # Nothing answers there: these checks need no database.
                "DATABASE_URL": "postgresql:///countmein?host=/nonexistent",
                **environment,
            },
            capture_output=True,
            text=True,
        )
    if done.returncode:
        yield (done.stdout + done.stderr).strip()[-2000:]


def migrations_are_made() -> Iterator[str]:
    """Models and migrations agree."""
    yield from manage("makemigrations", "--check", "--dry-run")


def deployment_is_sound() -> Iterator[str]:
    """Django's own checks for a live site."""
    yield from manage(
        "check", "--deploy", "--fail-level", "WARNING", COUNTMEIN_URL="https://countmein.example"
    )


CHECKS: list[Callable[[], Iterator[str]]] = [
    rules_work,
    long_files,
    long_functions,
    empty_names,
    signals,
    own_clocks,
    inline_code,
    hosts_in_locks,
    migrations_are_made,
    deployment_is_sound,
]


def main() -> int:
    """Run every check and tell what each found."""
    failed = 0
    for check in CHECKS:
        faults = list(check())
        failed += bool(faults)
        print(f"{'FAULT' if faults else 'ok   '} {check.__name__}", *faults, sep="\n        ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
