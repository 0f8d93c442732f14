"""Run the payment provider: `python -m sandbox.payments --port 0 --book provider.sqlite3 …`."""

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path

from sandbox.book import Writer
from sandbox.loopback import HOST, app, bind, run, serve
from sandbox.payments.app import Provider
from sandbox.payments.book import SCHEMA, upgrade
from sandbox.payments.terms import Clock, Terms
from sandbox.payments.webhooks import Deliverer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.payments", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--book", type=Path, required=True, help="SQLite file, made if absent")
    parser.add_argument("--webhook-url", help="where events are posted; none without it")
    parser.add_argument("--webhook-secret", default="", help="signs the events")
    parser.add_argument("--rate", type=int, default=500, help="writes a second per endpoint")
    fee_bp, fee_fixed = (os.environ.get(f"SANDBOX_FEE_{name}") for name in ("BP", "FIXED"))
    parser.add_argument("--fee-bp", type=int, default=fee_bp or 150, help="in basis points")
    parser.add_argument("--fee-fixed", type=int, default=fee_fixed or 25, help="a charge, in cents")
    asked = parser.parse_args()
    listener = bind(asked.port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    book = Writer(path=asked.book, schema=SCHEMA)
    book.read(upgrade)
    clock = Clock()
    terms = Terms(fee_bp=asked.fee_bp, fee_fixed=asked.fee_fixed)
    webhooks = Deliverer(book=book, url=asked.webhook_url, secret=asked.webhook_secret, clock=clock)
    provider = Provider(
        book=book, webhooks=webhooks, rate=asked.rate, url=url, terms=terms, clock=clock
    )
    print(
        f"sandbox.payments: {url} book={asked.book}"
        f" webhooks={asked.webhook_url or 'off'} rate={asked.rate}/s",
        file=sys.stderr,
        flush=True,
    )
    try:
        run(_serve(provider, webhooks, listener))
    finally:
        book.close()


async def _serve(provider: Provider, webhooks: Deliverer, listener: socket.socket) -> None:
    webhooks.start()
    ticking = asyncio.ensure_future(provider.keep_time())
    await serve(app(provider.answer), listener=listener)
    ticking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ticking
    webhooks.close()


if __name__ == "__main__":
    main()
