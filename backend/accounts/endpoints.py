"""Accounts: what they hold and what happened to them."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.context import Context
from backend.cursors import Cursor, cursor_at, parse_cursor
from backend.events.schemas import EventDocument, event_document
from backend.fields import Address, Amount, Document
from backend.indexer import repository as index
from backend.problems import problems

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


class Account(Document):
    """Amounts in the token's smallest unit.

    `free_stake` can stand behind new batches, `withdrawable` is matured stake with bounties (`StakeVault.withdraw`),
    `credit` is earnings (`JobEscrow.withdraw`), `bond_credit` returned bonds (`ReputationOracle.withdraw`).
    """

    address: Address
    tokens: Amount
    stake: Amount
    locked_stake: Amount
    free_stake: Amount
    unbonding: Amount
    withdrawable: Amount
    credit: Amount
    bond_credit: Amount
    is_committee_member: bool
    reputation: float


class History(Document):
    """Newest first; `next` is the cursor of the following page."""

    events: list[EventDocument]
    next: str | None


@router.get("/{address}", responses=problems(503))
def read_account(address: Address, context: Context) -> Account:
    """What an account holds in the contracts, as of the newest block."""
    held = context.accounts.holdings(address)
    return Account(
        address=address,
        tokens=held.tokens,
        stake=held.active,
        locked_stake=held.locked,
        free_stake=held.active - held.locked,
        unbonding=held.unbonding,
        withdrawable=held.matured + held.bounties,
        credit=held.credit,
        bond_credit=held.bond_credit,
        is_committee_member=held.is_member,
        reputation=held.reputation / 1e18,
    )


@router.get("/{address}/history")
def read_history(
    address: Address,
    context: Context,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> History:
    """Every event that names the account, newest first."""
    with context.database.read() as session:
        rows = index.history(session, address, parse_cursor(cursor), limit + 1)
    more = rows[limit - 1] if len(rows) > limit else None
    return History(
        events=[event_document(row) for row in rows[:limit]],
        next=cursor_at(more.block_number, more.log_index) if more else None,
    )
