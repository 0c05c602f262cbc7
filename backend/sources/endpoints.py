"""Asking the registered sources, and saying what their answers were worth."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from backend.fields import Address, Body, Count, Document, Hash, HexBytes
from backend.identity.endpoints import SignedCaller
from backend.problems import ProblemError, problems
from backend.sources.answers import WrittenAnswer
from backend.sources.service import FoundPassage, SourceService
from verifier.retrieval.answering import NoAnswerError
from verifier.retrieval.exchange import LONGEST_QUERY, MOST_PASSAGES
from verifier.retrieval.records import Feedback, Verdict

router = APIRouter(prefix="/v1", tags=["sources"])

_VERDICTS = {"right": Verdict.RIGHT, "wrong": Verdict.WRONG, "no_reference": Verdict.NO_REFERENCE}


def _service(request: Request) -> SourceService:
    service: SourceService | None = request.app.state.sources
    if service is None:
        raise ProblemError(
            404, "no-retrieval", "This service asks no sources; set MERIT_RETRIEVAL_JOB to have it do so."
        )
    return service


Sources = Annotated[SourceService, Depends(_service)]


class NewQuery(Body):
    """`passages`: how many are wanted. `valued`: whether to work out what each source added to the answer.

    That takes an answer for each set of the sources, up to 32.
    """

    text: str = Field(min_length=1, max_length=LONGEST_QUERY)
    passages: int = Field(3, ge=1, le=MOST_PASSAGES)
    valued: bool = False


class PassageDocument(Document):
    """A passage with its proof: that it is at `position` of what the source committed to in `version`.

    Of sources with the same text the most reliable is named. `relevance` and `reliability` are from 0 to 1.
    """

    source: Count
    owner: Address
    version: Count
    position: Count
    text: str
    digest: Hash
    relevance: float
    reliability: float
    proof: list[Hash]


class AskedSource(Document):
    """`fault`: why its answer is of no use, if it is not."""

    source: Count
    fault: str | None


class Citation(Document):
    """Passage `number`, counted from 1 in the order of `passages`, as the answer's text names it."""

    number: Count
    source: Count
    digest: Hash


class SourceValue(Document):
    """What a source added to an answer, from -1 to 1: its Shapley value in how far the answers without it agree."""

    source: Count
    value: float


class AnswerDocument(Document):
    """An answer that a model wrote from the passages, which may be wrong as they may be.

    `citations`: passages that its text names as `[1]`, each once; the model says so. `values`: only if asked for, and
    null where that took too long.
    """

    text: str
    citations: list[Citation]
    values: list[SourceValue] | None


class Found(Document):
    """Passages, best first; the query becomes a contribution of `window` of the job.

    `query` and `shown` (each source's copy of each text) are what feedback is signed over. Only where the service has a
    model that writes answers, there is either `answer`, or `no_answer` with the reason why there is none.
    """

    query: Hash
    job_id: Count
    window: Count
    passages: list[PassageDocument]
    shown: list[Hash]
    asked: list[AskedSource]
    answer: AnswerDocument | None = None
    no_answer: str | None = None


class NewFeedback(Body):
    """What an answer that was made from the passages is worth. `grounded`: digests of those that it rests on.

    `signature`: EIP-712 `Feedback` of the asker or of a judge, over the query, the verdict (0 without a reference, 1
    right, 2 wrong), what was shown, and `grounded`.
    """

    verdict: Literal["right", "wrong", "no_reference"]
    grounded: list[Hash] = Field(max_length=MOST_PASSAGES)
    signature: HexBytes = Field(max_length=4096)


class TakenFeedback(Document):
    """`counts`: whether it came from a judge and so moves reliability and pay."""

    counts: bool


class SourceDocument(Document):
    """A registered source. `reliability` and `usefulness` are from 0 to 1."""

    source: Count
    owner: Address
    endpoint: str
    version: Count
    passages: Count
    active: bool
    reliability: float
    usefulness: float


class SourceList(Document):
    """All registered sources, by number."""

    sources: list[SourceDocument]


class Recommendation(Document):
    """A source and its MeritRank from the caller, from 0 to 1."""

    source: Count
    owner: Address
    score: float


class RecommendationList(Document):
    """Best first."""

    sources: list[Recommendation]


@router.post("/query", responses=problems(401, 404, 503), response_model_exclude_unset=True)
def query(question: NewQuery, caller: SignedCaller, sources: Sources) -> Found:
    """Ask the most useful sources at once, and order what they answer by relevance and reliability.

    It needs an identity because it costs strangers more than it costs its asker. A service with a model that writes
    answers has it write one from the passages, which takes seconds.
    """
    found = sources.query(caller.account, question.text, question.passages)
    told = Found(
        query=found.digest,
        job_id=sources.job_id,
        window=sources.window if found.record is None else found.record.asked.query.window,
        passages=[_passage(one) for one in found.passages],
        shown=[] if found.record is None else found.record.shown_keys,
        asked=[AskedSource(source=number, fault=fault) for number, fault in found.outcomes.items()],
    )
    if sources.writer is None:
        return told
    try:
        written = sources.writer.write(found.record, valued=question.valued)
    except NoAnswerError as reason:
        return told.model_copy(update={"no_answer": str(reason)})
    return told.model_copy(update={"answer": _answer(written, told.passages)})


@router.post("/queries/{digest}/feedback", status_code=201, responses=problems(403, 404, 409))
def feed_back(digest: Hash, given: NewFeedback, sources: Sources) -> TakenFeedback:
    """Say whether an answer was right, and what it rested on; once for each account."""
    feedback = Feedback(_VERDICTS[given.verdict], tuple(given.grounded), given.signature)
    return TakenFeedback(counts=sources.feed_back(digest, feedback))


@router.get("/sources", responses=problems(404))
def list_sources(sources: Sources) -> SourceList:
    """Whom queries may go to, and what is believed of each."""
    return SourceList(
        sources=[
            SourceDocument(
                source=source.source_id,
                owner=source.owner,
                endpoint=source.endpoint,
                version=source.version,
                passages=source.commitments[source.version].passages,
                active=source.active,
                reliability=reliability,
                usefulness=usefulness,
            )
            for source, reliability, usefulness in sources.sources()
        ]
    )


@router.get("/sources/recommended", responses=problems(401, 404))
def recommend_sources(
    caller: SignedCaller, sources: Sources, count: Annotated[int, Query(ge=1, le=100)] = 10
) -> RecommendationList:
    """Sources for the caller, by MeritRank from its own feedback; none before it has given any.

    It needs an identity because it is about the caller alone.
    """
    return RecommendationList(
        sources=[
            Recommendation(source=source.source_id, owner=source.owner, score=score)
            for source, score in sources.recommended(caller.account, count)
        ]
    )


def _answer(written: WrittenAnswer, passages: list[PassageDocument]) -> AnswerDocument:
    values = written.values
    return AnswerDocument(
        text=written.answer.text,
        citations=[
            Citation(number=number, source=passages[number - 1].source, digest=passages[number - 1].digest)
            for number in written.answer.cited
        ],
        values=None if values is None else [SourceValue(source=one, value=values[one]) for one in values],
    )


def _passage(found: FoundPassage) -> PassageDocument:
    passage = found.passage
    return PassageDocument(
        source=found.source.source_id,
        owner=found.source.owner,
        version=found.version,
        position=passage.position,
        text=passage.text,
        digest=passage.digest,
        relevance=passage.relevance / 10**6,
        reliability=found.reliability,
        proof=list(passage.proof),
    )
