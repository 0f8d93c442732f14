"""What happens by itself when its instant of the provider's clock has come."""

from collections.abc import Callable

from sandbox.payments import balance, charging, checkout, disputes, refunds, transfers
from sandbox.payments.book import Page

# What to do, by the name under which it was asked for; each is given the id it is about.
RINGS: dict[str, Callable[[Page, str], None]] = {
    "mature": balance.mature,
    "release": charging.release_when_due,
    "dispute": disputes.open_when_due,
    "dispute_past_due": disputes.lose_when_due,
    "refund_pending": refunds.arrive,
    "refund_fails": refunds.come_back,
    "payout": transfers.settle_payout,
    "expire": checkout.expire_when_due,
}


def is_due(page: Page) -> bool:
    """Whether anything waits to be done."""
    found = page.connection.execute("SELECT 1 FROM alarms WHERE at <= ? LIMIT 1", (page.now,))
    return found.fetchone() is not None


def ring(page: Page) -> None:
    """Do all that is due, in the order of its instants."""
    while is_due(page):
        due = page.connection.execute(
            "SELECT seq, what, about, account FROM alarms WHERE at <= ? ORDER BY at, seq LIMIT 500",
            (page.now,),
        ).fetchall()
        for seq, what, about, account in due:
            page.connection.execute("DELETE FROM alarms WHERE seq = ?", (seq,))
            RINGS[what](page.on(account), about)
