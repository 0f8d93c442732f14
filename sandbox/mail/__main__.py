"""Run the mail server: `python -m sandbox.mail --smtp-port 0 --http-port 0 --book mail.sqlite3`."""

import argparse
import asyncio
import sys
from pathlib import Path

from sandbox.book import Writer
from sandbox.loopback import HOST, app, bind, run, serve
from sandbox.mail.app import Outbox
from sandbox.mail.book import SCHEMA
from sandbox.mail.faults import Faults
from sandbox.mail.smtp import Sink


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.mail", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--http-port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--book", type=Path, required=True, help="SQLite file, made if absent")
    asked = parser.parse_args()
    book = Writer(path=asked.book, schema=SCHEMA)
    try:
        run(_run(book, smtp_port=asked.smtp_port, http_port=asked.http_port))
    finally:
        book.close()


async def _run(book: Writer, *, smtp_port: int, http_port: int) -> None:
    faults = Faults()
    sink, outbox = Sink(book=book, faults=faults), Outbox(book=book, faults=faults)
    smtp, http = bind(smtp_port), bind(http_port)
    server = await asyncio.get_running_loop().create_server(sink.protocol, sock=smtp)
    print(
        f"sandbox.mail: smtp://{HOST}:{smtp.getsockname()[1]}"
        f" http://{HOST}:{http.getsockname()[1]}",
        file=sys.stderr,
        flush=True,
    )
    await serve(app(outbox.answer), listener=http)
    server.close()


if __name__ == "__main__":
    main()
