"""The log's doors: a foreign monitor can follow it, and a member can show a proof."""

from __future__ import annotations

import json
from pathlib import Path

from django.test import Client

from countmein.cli import main
from countmein.log import keys
from countmein.rules import log, verify
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site


def fetched(client: Client, address: str) -> bytes:
    answer = client.get(address)
    assert 200 == answer.status_code, address
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def crowd(launch: Launch, join: Join, site: Site, people: int) -> dict[str, str]:
    campaign = launch(rule={"people": 999})
    answers = [join(campaign, f"b{n}") for n in range(people)]
    site.work()
    return answers[0]


def test_a_monitor_that_knows_the_specification_rebuilds_the_tree(
    site: Site, launch: Launch, join: Join, client: Client
) -> None:
    crowd(launch, join, site, 300)
    key = fetched(client, "/log/key").decode()
    size, root = verify.open_checkpoint(fetched(client, "/log/checkpoint").decode(), key)
    hashes, entries = b"", []
    for index in range(-(-size // 256)):
        width = log.tile_width(size, 0, index)
        place = log.tile_path(index) + ("" if width == 256 else f".p/{width}")
        hashes += fetched(client, f"/log/tile/0/{place}")
        rest = fetched(client, f"/log/tile/entries/{place}")
        while rest:
            length = int.from_bytes(rest[:2])
            entries.append(rest[2 : 2 + length])
            rest = rest[2 + length :]
    assert hashes == b"".join(log.leaf_hash(entry) for entry in entries)
    assert root == log.root_of([log.leaf_hash(entry) for entry in entries])
    above = fetched(client, "/log/tile/1/000.p/1")
    assert above == log.root_of([hashes[at : at + 32] for at in range(0, 256 * 32, 32)])


def test_what_is_no_tile_is_not_there(site: Site, launch: Launch, client: Client) -> None:
    launch()
    site.work()
    for place in ("0/000", "0/001.p/1", "0/000.p/0", "0/000.p/01", "0/0", "9/000.p/1", "77/000"):
        assert 404 == client.get(f"/log/tile/{place}").status_code, place
    kept = client.get("/log/tile/0/000.p/1")["Cache-Control"]
    assert "immutable" in kept


def test_a_member_shows_a_proof_that_is_checked_offline(
    site: Site, launch: Launch, join: Join, client: Client, tmp_path: Path
) -> None:
    answer = crowd(launch, join, site, 3)
    address = f"/api/v1/pledges/{answer['code']}/proof?receipt={answer['receipt']}"
    proof = json.loads(fetched(client, address))
    path = tmp_path / "proof.txt"
    path.write_text(json.dumps(proof))
    assert 0 == main(["verify", str(path), "--key", keys.verifier_key()])
    path.write_text(json.dumps(proof | {"pledge": "another"}))
    assert 1 == main(["verify", str(path), "--key", keys.verifier_key()])
    page = fetched(client, f"/p/{answer['code']}/proof/?receipt={answer['receipt']}").decode()
    assert proof["salt"] in page
    picture = fetched(client, f"/p/{answer['code']}/proof.png?receipt={answer['receipt']}")
    assert picture.startswith(b"\x89PNG")


def test_the_export_is_checked_by_the_program_that_is_offered(
    site: Site, launch: Launch, join: Join, client: Client, tmp_path: Path
) -> None:
    crowd(launch, join, site, 3)
    path = tmp_path / "export.jsonl"
    path.write_bytes(fetched(client, "/log/export.jsonl"))
    assert 0 == main(["verify", str(path), "--key", keys.verifier_key()])
    namespace: dict[str, object] = {"__name__": "offered"}
    exec(compile(fetched(client, "/verify.py"), "verify.py", "exec"), namespace)
    namespace["main"]([str(path), "--key", keys.verifier_key()])  # type: ignore[operator]
    assert keys.verifier_key() in fetched(client, "/log/").decode()


def test_a_mail_carries_the_newest_checkpoint(
    site: Site, launch: Launch, join: Join, client: Client
) -> None:
    campaign = launch(rule={"people": 1}, title="A checkpoint by mail")
    site.work()
    note = fetched(client, "/log/checkpoint").decode()
    join(campaign, "ben-by-mail")
    site.work()
    (mail,) = [m for m in site.mails("ben-by-mail@example.org") if "It tipped" in m["subject"]]
    assert "/log\n" in note
    assert note.split("\n")[0] in mail["text"]
    size, _root = verify.open_checkpoint(
        mail["text"][mail["text"].index(keys.origin()) :].rstrip() + "\n", keys.verifier_key()
    )
    assert size >= 1
