"""Signing in and out, and how the other endpoints learn who calls."""

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import APIKeyHeader
from pydantic import Field

from backend.context import Context
from backend.fields import Address, Body, Document, HexBytes
from backend.identity.service import Caller
from backend.problems import problems

router = APIRouter(prefix="/v1/session", tags=["identity"])

_HEADER = APIKeyHeader(
    name="Authorization",
    scheme_name="account",
    description="`Merit account=…, body=…, nonce=…, expiry=…, signature=…` (EIP-712 over the request), or "
    "`Bearer …` with a token of `POST /v1/session`.",
    auto_error=False,
)
Authorization = Annotated[str | None, Security(_HEADER)]


async def streaming_caller(request: Request, context: Context, authorization: Authorization) -> Caller:
    """Who calls; the endpoint reads the body and checks its digest itself."""
    raw_path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return await context.identity.authenticate(
        authorization, request.method, raw_path.decode("latin-1"), query.decode("latin-1")
    )


async def _caller(request: Request, caller: Annotated[Caller, Depends(streaming_caller)]) -> Caller:
    caller.check_body(sha256(await request.body()).digest())
    return caller


StreamingCaller = Annotated[Caller, Depends(streaming_caller)]
SignedCaller = Annotated[Caller, Depends(_caller)]


class NewSession(Body):
    """A signed EIP-4361 message. It names this service's address and chain, and is at most five minutes old."""

    message: str = Field(max_length=4096)
    signature: HexBytes = Field(max_length=4096)


class OpenedSession(Document):
    """`token` goes into the header `Authorization: Bearer …` until `expires_at` (Unix seconds)."""

    token: str
    account: Address
    expires_at: int


class CallerDocument(Document):
    """Whose request it is."""

    account: Address


@router.post("", status_code=201, responses=problems(401))
async def sign_in(session: NewSession, context: Context) -> OpenedSession:
    """Sign In with Ethereum."""
    token, account, expires_at = await context.identity.sign_in(session.message, session.signature)
    return OpenedSession(token=token, account=account, expires_at=expires_at)


@router.get("", responses=problems(401))
def read_caller(caller: SignedCaller) -> CallerDocument:
    """The account that this request is taken for."""
    return CallerDocument(account=caller.account)


@router.delete("", status_code=204)
def sign_out(context: Context, authorization: Authorization) -> None:
    """End the session of the token that is sent; a token that is good for nothing is no error."""
    context.identity.sign_out(authorization)
