"""Evidence in and out, by content."""

import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from backend.context import Context
from backend.evidence import repository
from backend.evidence.content_id import ContentId, InvalidContentIdError
from backend.fields import Address, Document, Hash
from backend.identity.endpoints import SignedCaller, StreamingCaller
from backend.problems import not_found, problems

router = APIRouter(prefix="/v1/evidence", tags=["evidence"])
_DIGEST = re.compile("[0-9a-f]{64}")
_NAME = "^(b[a-z2-7]{58}|[0-9a-f]{64})$"
Name = Annotated[str, InPath(description="CIDv1, or the SHA-256 digest in hexadecimal", pattern=_NAME)]
_BINARY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


class Evidence(Document):
    """What a piece of evidence is called: by IPFS, and by the contracts."""

    cid: str
    digest: Hash
    size: int


class PinDocument(Document):
    """That an account wants a piece of evidence kept, since `pinned_at` (Unix seconds)."""

    digest: Hash
    account: Address
    pinned_at: int


@router.post("", status_code=201, responses=problems(401, 413), openapi_extra={"requestBody": _BINARY})
async def upload(request: Request, context: Context, caller: StreamingCaller) -> Evidence:
    """Store the body as it is. The same bytes again change nothing."""
    stored = await context.evidence.put_stream(request.stream(), caller.check_body)
    return Evidence(cid=str(stored.content_id), digest=stored.digest, size=stored.size)


@router.get("/{cid}", response_class=FileResponse, responses={200: _BINARY, **problems(404)})
def download(cid: Name, context: Context) -> FileResponse:
    """The bytes; ranges may be asked for."""
    path = _find(cid, context)
    if path is None:
        raise not_found("This evidence")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        headers={
            "ETag": f'"{cid}"',
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Disposition": "attachment",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.put("/{cid}/pin", responses=problems(401, 404))
def pin(cid: Name, context: Context, caller: SignedCaller) -> PinDocument:
    """Keep evidence for as long as the caller's account wants it, whether or not a contribution needs it."""
    path = _find(cid, context)
    if path is None:
        raise not_found("This evidence")
    with context.database.write() as session:
        row = repository.pin(session, bytes.fromhex(path.name), caller.account, int(context.clock()))
        return PinDocument(digest=row.digest, account=caller.account, pinned_at=row.pinned_at)


@router.delete("/{cid}/pin", status_code=204, responses=problems(401))
def unpin(cid: Name, context: Context, caller: SignedCaller) -> None:
    """The caller's account wants it no longer; what was not pinned is no error."""
    content = _parse(cid)
    digest = context.evidence.digest_of(content) if content else None
    if digest is not None:
        with context.database.write() as session:
            repository.unpin(session, digest, caller.account)


def _parse(cid: str) -> ContentId | None:
    try:
        return ContentId(raw=True, digest=bytes.fromhex(cid)) if _DIGEST.fullmatch(cid) else ContentId.parse(cid)
    except InvalidContentIdError:
        return None


def _find(cid: str, context: Context) -> Path | None:
    content = _parse(cid)
    if content is None:
        return None
    digest = context.evidence.digest_of(content)
    path = context.evidence.path(digest) if digest else None
    if path is None and context.kubo is not None:
        fetched = context.kubo.fetch(content, context.settings.evidence_limit)
        path = context.evidence.path(context.evidence.put(fetched).digest) if fetched is not None else None
    return path
