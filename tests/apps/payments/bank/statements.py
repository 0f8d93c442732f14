"""Statements as a bank writes them, from what moved on our account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from html import escape

OURS = "NL41MOCK0000000001"
PAYER = "DE89370400440532013000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One entry: below zero where money left us."""

    minor: int
    id: str
    text: str = ""
    end_to_end_id: str = "NOTPROVIDED"
    name: str = "Ben Beispiel"
    iban: str = PAYER
    reversal: bool = False
    on: date | None = None


def camt(*moved: Moved, on: date, name: str = "", opening: int = 0, account: str = OURS) -> bytes:
    """A statement of one day whose balances lead from one to the other."""
    closing = opening + sum(one.minor for one in moved)
    entries = "".join(_entry(one, on) for one in moved)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>M</MsgId><CreDtTm>{on}T20:00:00Z</CreDtTm></GrpHdr>
<Stmt><Id>{name or f"S-{on}"}</Id><Acct><Id><IBAN>{account}</IBAN></Id></Acct>
{_balance("OPBD", opening, on)}{_balance("CLBD", closing, on)}{entries}</Stmt>
</BkToCstmrStmt></Document>""".encode()


def _amount(minor: int) -> str:
    way = "CRDT" if minor >= 0 else "DBIT"
    whole = f"{abs(minor) // 100}.{abs(minor) % 100:02d}"
    return f'<Amt Ccy="EUR">{whole}</Amt><CdtDbtInd>{way}</CdtDbtInd>'


def _balance(code: str, minor: int, on: date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(minor)}"
        f"<Dt><Dt>{on}</Dt></Dt></Bal>"
    )


def _entry(one: Moved, on: date) -> str:
    is_from_debtor = (one.minor >= 0) != one.reversal
    party = "Dbtr" if is_from_debtor else "Cdtr"
    reversal = "<RvslInd>true</RvslInd>" if one.reversal else ""
    account = f"<{party}Acct><Id><IBAN>{one.iban}</IBAN></Id></{party}Acct>" if one.iban else ""
    day = one.on or on
    return f"""<Ntry>{_amount(one.minor)}{reversal}<Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>{one.id}</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>{one.end_to_end_id}</EndToEndId></Refs>
<RltdPties><{party}><Pty><Nm>{escape(one.name)}</Nm></Pty></{party}>{account}</RltdPties>
<RmtInf><Ustrd>{escape(one.text)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
"""
