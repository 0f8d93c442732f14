#!/usr/bin/env python3
"""Check a Countmein log without asking Countmein.

    python3 verify.py export.jsonl --key KEY [--seen CHECKPOINT]
    python3 verify.py proof.txt --key KEY

One file, Python 3.11, nothing to install, no network. KEY is the site's log key, one line; take it
from somewhere the site cannot change: a printed poster, a mail, a newspaper. CHECKPOINT is a file
with a checkpoint that you kept, for example from the foot of a mail; with it, a log that was
shortened or rewritten since is found, too.

What is checked: every entry's bytes, its place in the tree, the signed checkpoints, the link to the
campaign's entry before, all running totals, who was in when a campaign tipped, refunds against
charges, payouts against what was set aside. The first fault is named by the number of its entry.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys
from collections import defaultdict


class Wrong(Exception):
    """What is wrong, and with which entries: the first and the last that it can be."""

    def __init__(self, reason, first=None, last=None):
        where = "" if first is None else f"entry {first}: "
        if last is not None and last != first:
            where = f"entries {first} to {last}: "
        super().__init__(where + reason)
        self.first, self.last = first, first if last is None else last

# ---- Ed25519 (RFC 8032): points of the curve -x^2 + y^2 = 1 + d x^2 y^2 modulo P ----

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

def point_sum(one, two):
    """Add two points in extended coordinates (X, Y, Z, T), X/Z and Y/Z, T = XY/Z."""
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def point_times(number, point):
    """Add a point to itself `number` times."""
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = point_sum(total, point)
        point, number = point_sum(point, point), number >> 1
    return total

def point_of(text):
    """The point that 32 bytes stand for, or None."""
    number = int.from_bytes(text, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if len(text) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

def is_signed(public_key, message, signature):
    """Whether an Ed25519 signature of the message is by this key."""
    key = point_of(public_key)
    start = point_of(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or start is None or scalar >= L:
        return False
    hashed = hashlib.sha512(signature[:32] + public_key + message).digest()
    left = point_times(scalar, BASE)
    right = point_sum(start, point_times(int.from_bytes(hashed, "little") % L, key))
    return not (left[0] * right[2] - right[0] * left[2]) % P and not (
        (left[1] * right[2] - right[1] * left[2]) % P
    )

# ---- signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) ----

def key_of(line):
    """Name, key id and key from a line like `example.org/log+1a2b3c4d+AQ…`."""
    try:
        name, id, text = line.strip().split("+", 2)
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise Wrong("this is no log key") from None
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if len(key) != 33 or key[0] != 1 or id != expected.hex():
        raise Wrong("this is no Ed25519 log key")
    return name, expected, key[1:]

def open_note(note, key_line):
    """The text of a note that this key has signed; raises Wrong otherwise."""
    name, id, key = key_of(key_line)
    text, gap, signatures = note.replace("\r\n", "\n").rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines() if gap else []:
        dash, _, rest = line.partition(" ")
        signer, _, blob = rest.partition(" ")
        if dash != "—" or signer != name:
            continue
        try:
            signature = base64.b64decode(blob, validate=True)
        except ValueError:
            continue
        if signature[:4] == id and is_signed(key, text.encode(), signature[4:]):
            return text
    raise Wrong("a checkpoint is not signed by this key")

def open_checkpoint(note, key_line):
    """Size and root of a checkpoint, once its signature and origin are right."""
    lines = open_note(note, key_line).split("\n")
    try:
        origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (ValueError, IndexError):
        raise Wrong("a checkpoint cannot be read") from None
    if origin != key_of(key_line)[0] or size < 0 or len(root) != 32:
        raise Wrong("a checkpoint is of another log")
    return size, root

# ---- the tree (RFC 6962) ----

def leaf_hash(entry):
    """The hash of an entry's bytes."""
    return hashlib.sha256(b"\0" + entry).digest()

def node_hash(left, right):
    """The hash of two neighbours."""
    return hashlib.sha256(b"\1" + left + right).digest()

class Tree:
    """The full subtrees of a growing tree."""

    def __init__(self):
        self.size, self.roots = 0, []

    def append(self, leaf):
        """Take in the next leaf hash."""
        self.roots.append(leaf)
        self.size += 1
        size = self.size
        while size % 2 == 0:
            right = self.roots.pop()
            self.roots.append(node_hash(self.roots.pop(), right))
            size //= 2

    def root(self):
        """The root so far."""
        if not self.roots:
            return hashlib.sha256(b"").digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root

def root_by_path(leaf, index, size, path):
    """The root to which a leaf's path leads."""
    if not 0 <= index < size:
        raise Wrong("the log is shorter than this", index)
    at, last, root = index, size - 1, leaf
    for beside in path:
        if at & 1 or at == last:
            root = node_hash(beside, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, beside)
        at, last = at >> 1, last >> 1
    if last:
        raise Wrong("the path is too short", index)
    return root

# ---- who is in: the largest set in which everybody's condition holds ----

def holds(condition, total):
    """Whether a condition is true of these totals."""
    if condition is None:
        return True
    ((word, said),) = condition.items()
    at_least = said["at_least"] if isinstance(said, dict) else 0
    if word == "people":
        return total["people"] >= said
    if word in ("sum", "people_in"):
        of = total["sums"] if word == "sum" else total["places"]
        return of.get(said["kind" if word == "sum" else "place"], 0) >= at_least
    if word == "places":
        return sum(n >= said["people"] for n in total["places"].values()) >= at_least
    if word == "pledge":
        return said in total["named"]
    of = [holds(each, total) for each in (said["of"] if word == "some" else said)]
    return {"all": all(of), "any": any(of), "some": sum(of) >= at_least}[word]

def total_of(classes):
    """What classes of equal conditions add up to."""
    total = {"people": 0, "sums": defaultdict(int), "places": defaultdict(int), "named": set()}
    for each in classes:
        total["people"] += each["e"]
        for kind, amount in each["s"].items():
            total["sums"][kind] += amount
        for place, people in each.get("l", {}).items():
            total["places"][place] += people
        total["named"] |= set(each.get("g", []))
    return total

def largest(classes):
    """The largest self-consistent set: take everybody, remove whose condition fails, repeat."""
    while True:
        total = total_of(classes)
        left = [each for each in classes if holds(each.get("q"), total)]
        if len(left) == len(classes):
            return left
        classes = left

# ---- what entries say ----

#: How each kind of entry about money changes what a campaign holds.
HELD = {"charge": 1, "refund": -1, "refund_back": 1, "dispute": -1, "dispute_won": 1}
HELD |= {"earmark": -1, "earmark_back": 1, "payout_back": 1, "commission": -1}
HELD |= {"commission_back": 1, "costs": -1}
LEFT = ("withdrawn", "released", "held", "dropped", "refunded", "changed")

def text_of(value):
    """The one spelling of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

class Campaign:
    """What the entries of one campaign have said so far."""

    def __init__(self):
        self.last, self.totals, self.people, self.rule = None, defaultdict(int), 0, None
        self.parts, self.classes, self.said = {}, {}, []
        self.charges, self.kinds, self.states = {}, defaultdict(int), []

    def read(self, n, e):
        """Take in one entry; raises Wrong if it does not follow from those before."""
        if e.get("p") != self.last:
            raise Wrong(f"it should follow entry {self.last}, not {e.get('p')}", n)
        self.last = n
        if "a" in e:
            self.totals[e["u"]] += e["a"]
            if self.totals[e["u"]] != e["t"]:
                raise Wrong(f"the total should be {self.totals[e['u']]}, not {e['t']}", n)
        if e["k"] == "pledge" or e["k"] in LEFT:
            self.count(n, e)
        elif e["k"] == "rule":
            self.rule = e["d"]["rule"]
        elif e["k"] == "class":
            self.said.append(e)
        elif e["k"] == "move":
            self.move(n, e)
        elif e["k"] in HELD or e["k"] in ("payout", "dispute_lost", "fee", "fee_back"):
            self.pay(n, e)
        elif e["k"] != "story":
            raise Wrong(f"there is no kind of entry {e['k']}", n)

    def count(self, n, e):
        """A part of a pledge comes in, or leaves."""
        if e["k"] == "pledge":
            part = (text_of(e.get("q")), e["u"], e["a"], e["e"])
            self.parts[n] = part
        else:
            part = self.parts.pop(e["r"], None)
            if part is None:
                raise Wrong(f"entry {e['r']} is no pledge that is in", n)
            if (e["u"], -e["a"], -e["e"]) != part[1:]:
                raise Wrong(f"it takes out other than entry {e['r']} brought in", n)
        self.people += e["e"]
        if self.people != e["m"]:
            raise Wrong(f"there should be {self.people} people, not {e['m']}", n)
        crowd = self.classes.setdefault(part[0], {"e": 0, "s": defaultdict(int)})
        crowd["e"] += e["e"]
        crowd["s"][e["u"]] += e["a"]

    def move(self, n, e):
        """The campaign goes on to another state; if it tipped, clear it once more."""
        state = e["d"]["state"]
        if state == "tipped":
            if "tipped" in self.states or "lapsed" in self.states:
                raise Wrong("it tips a second time, or after it lapsed", n)
            self.tip(n, e["d"])
        self.states.append(state)

    def tip(self, n, said):
        """Recompute who was in from the classes, and the classes from the pledges."""
        counted = {q: c for q, c in self.classes.items() if c["e"] or any(c["s"].values())}
        listed = {text_of(c.get("q")): c for c in self.said}
        if len(listed) != len(self.said) or counted.keys() != listed.keys():
            raise Wrong("the conditions listed are not those of the pledges", n)
        for q, each in listed.items():
            sums = {kind: amount for kind, amount in counted[q]["s"].items() if amount}
            if each["e"] != counted[q]["e"] or each["s"] != sums:
                raise Wrong("this many pledges with this condition are not in the log", each["n"])
            if sum(each.get("l", {}).values()) > each["e"]:
                raise Wrong("more people have a place than there are", each["n"])
        inside = largest(self.said)
        for each in self.said:
            if (each in inside) != bool(each["i"]):
                raise Wrong("who is in was not worked out rightly", each["n"])
        total = total_of(inside)
        if said["people"] != total["people"] or said["sums"] != dict(total["sums"]):
            raise Wrong("those who are in add up to something else", n)
        if not holds(self.rule, total):
            raise Wrong("it tips although its rule does not hold", n)
        self.said = []

    def pay(self, n, e):
        """Money moves: nobody gets back more than was charged, nobody is paid what is not there."""
        if HELD.get(e["k"], 1) * e["a"] <= 0:
            raise Wrong("the amount has the wrong sign", n)
        amount = abs(e["a"])
        self.kinds[e["k"]] += amount
        if e["k"] == "charge":
            self.charges[n] = amount
        elif e["k"] in ("refund", "refund_back"):
            if e.get("r") not in self.charges:
                raise Wrong("it gives back what was not charged", n)
            self.charges[e["r"]] += amount if e["k"] == "refund_back" else -amount
            if self.charges[e["r"]] < 0:
                raise Wrong(f"more goes back than entry {e['r']} charged", n)
        elif self.kinds["payout"] > self.kinds["earmark"] - self.kinds["earmark_back"]:
            raise Wrong("more is paid than was set aside", n)

class Log:
    """A log as it is read, entry by entry."""

    def __init__(self):
        self.tree, self.campaigns, self.fault = Tree(), defaultdict(Campaign), None
        self.signed, self.bent, self.latest = 0, None, None

    def entry(self, line):
        """Take in a line {"e": text, "h": hash of the leaf as the site's tiles have it}."""
        n = self.tree.size
        text, kept = line["e"], bytes.fromhex(line["h"])
        if leaf_hash(text.encode()) != kept and self.bent is None:
            self.bent = Wrong("its bytes are not those that the tree was made of", n)
        self.tree.append(kept)
        try:
            e = json.loads(text)
            if text_of(e) != text or e["n"] != n:
                raise Wrong("it is not written in the one way, or has another's number", n)
            self.campaigns[e["c"]].read(n, e)
        except Wrong as fault:
            self.fault = self.fault or fault
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            self.fault = self.fault or Wrong(f"it cannot be read ({fault!r})", n)

    def checkpoint(self, note, key):
        """A checkpoint: the tree up to here must be what was signed."""
        first, last = self.signed, max(self.tree.size - 1, self.signed)
        try:
            size, root = open_checkpoint(note, key)
        except Wrong as fault:
            raise self.first(Wrong(str(fault), first, last)) from None
        last = max(last, size - 1)
        if size != self.tree.size or root != self.tree.root():
            raise self.first(Wrong(f"they are not what was signed at size {size}", first, last))
        if self.bent or self.fault:
            raise self.first(None)
        self.signed = size

    def first(self, fault):
        """The fault with the smallest number; the tree's own one covers a stretch of entries."""
        found = [each for each in (self.bent, self.fault, fault) if each is not None]
        return min(found, key=lambda each: (each.first, each.last))

def verify_export(lines, key, seen=None):
    """Check an export line by line; return the log. Raises Wrong with the first fault."""
    log = Log()
    kept = open_checkpoint(seen, key) if seen else None
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            if "e" in line:
                log.entry(line)
                if kept and kept[0] == log.tree.size and kept[1] != log.tree.root():
                    end = log.tree.size - 1
                    raise log.first(Wrong("they are not those you have seen", log.signed, end))
            elif "checkpoint" in line:
                log.checkpoint(line["checkpoint"], key)
        except (ValueError, KeyError, TypeError) as fault:
            where = log.tree.size
            raise log.first(Wrong(f"line {number} cannot be read ({fault!r})", where)) from None
    if kept and kept[0] > log.tree.size:
        raise log.first(Wrong("they have been cut off", log.signed, kept[0] - 1))
    if log.signed != log.tree.size:
        raise log.first(Wrong("no checkpoint covers them", log.signed, log.tree.size - 1))
    return log

def verify_proof(proof, key):
    """Check a pledge's proof; return its entry."""
    size, root = open_checkpoint(proof["checkpoint"], key)
    path = [base64.b64decode(each) for each in proof["path"]]
    text = proof["entry"]
    e = json.loads(text)
    if root_by_path(leaf_hash(text.encode()), e["n"], size, path) != root:
        raise Wrong("it is not in the log that was signed", e["n"])
    opened = b"countmein/v1\n" + bytes.fromhex(proof["salt"]) + b"\n"
    if hashlib.sha256(opened + proof["pledge"].encode()).hexdigest() != e["w"]:
        raise Wrong("it is the entry of another pledge", e["n"])
    return e

def main(arguments=None):
    """Read the command line; exit 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description="Check a Countmein log or a proof.")
    parser.add_argument("file")
    parser.add_argument("--key", required=True)
    parser.add_argument("--seen")
    asked = parser.parse_args(arguments)
    try:
        with open(asked.file, encoding="utf-8") as file:
            first = json.loads(file.readline() or "{}")
            file.seek(0)
            if "path" in first:
                e = verify_proof(first, asked.key)
                print(f"Right: entry {e['n']}, campaign {e['c']}, {e['u']} {e['a']}.")
                return
            seen = pathlib.Path(asked.seen).read_text("utf-8") if asked.seen else None
            log = verify_export(file, asked.key, seen)
    except Wrong as fault:
        print(f"WRONG: {fault}")
        sys.exit(1)
    print(f"Right: {log.tree.size} entries of {len(log.campaigns)} campaigns.")
    for code, campaign in sorted(log.campaigns.items()):
        totals = ", ".join(f"{unit} {total}" for unit, total in sorted(campaign.totals.items()))
        print(f"  {code}: {campaign.people} people; {totals}; {' > '.join(campaign.states)}")

if __name__ == "__main__":
    main()
