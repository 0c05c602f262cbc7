"""What a window teaches about sources, and what each of its answers was worth: pure functions of its records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from statistics import median

from chain.typed_data import SourceDomain
from scoring.retrieval.credit import ranking_game, source_credits
from scoring.retrieval.merging import Passage, merged
from scoring.retrieval.priors import LEAST, prior_reliability
from scoring.retrieval.reliability import USUAL_CREDIT, Evidence
from scoring.retrieval.reranking import Grounding, Spread
from scoring.retrieval.selection import Usefulness
from scoring.retrieval.standings import Shown, Standings
from verifier.retrieval.corpus import RELEVANCE_UNIT
from verifier.retrieval.exchange import Answer
from verifier.retrieval.records import STATE_UNIT, QueryRecord, RetrievalJob, Verdict, WindowState

_EVIDENCE = len(fields(Evidence))
_CORRECT = {Verdict.NO_REFERENCE: None, Verdict.RIGHT: True, Verdict.WRONG: False}


def first_state() -> WindowState:
    """What the first window starts from: nothing is known of any source."""
    return WindowState(0, {}, _written(_numbers(Grounding())))


def standings_of(state: WindowState, priors: Mapping[int, float]) -> Standings:
    """What is known at the start of a window. priors: of all sources that may be asked, known ones included."""
    standings = Standings({str(source): prior for source, prior in priors.items()})
    for source, numbers in state.sources.items():
        read = [number / STATE_UNIT for number in numbers]
        standings.evidence[str(source)] = Evidence(*read[:_EVIDENCE])
        standings.usefulness[str(source)] = Usefulness(*read[_EVIDENCE:])
    grounding = [number / STATE_UNIT for number in state.grounding]
    standings.grounding = Grounding(Spread(*grounding[:3]), Spread(*grounding[3:]))
    return standings


def state_of(window: int, standings: Standings) -> WindowState:
    """What the next window starts from."""
    sources = {
        int(source): _written([*astuple(evidence), *astuple(standings.usefulness[source])])
        for source, evidence in standings.evidence.items()
    }
    return WindowState(window, sources, _written(_numbers(standings.grounding)))


def priors_of(ranks: Mapping[int, int]) -> dict[int, float]:
    """What is believed of each source before its first answer, by the MeritRank of its owner, in any unit.

    The reference is the median over the owners that have one; where none has, all are strangers.
    """
    ranked = [rank for rank in ranks.values() if rank > 0]
    if not ranked:
        return dict.fromkeys(ranks, LEAST)
    return {source: prior_reliability(rank, median(ranked)) for source, rank in ranks.items()}


def passages_of(answers: Iterable[Answer]) -> list[Passage]:
    """The passages of all answers in one list, most relevant first."""
    return merged(
        {
            str(answer.source_id): [
                Passage(str(answer.source_id), passage.digest, passage.relevance / RELEVANCE_UNIT)
                for passage in answer.passages
            ]
            for answer in answers
        }
    )


def learn(standings: Standings, record: QueryRecord, job: RetrievalJob, domain: SourceDomain) -> None:
    """Take in what a judge said of one answer; without a judge's word nothing is learned."""
    feedback = judged(record, job, domain)
    if feedback is None:
        return
    verdict, grounded = feedback
    passages = passages_of(record.answers)
    by_key = {(passage.source, passage.digest): passage for passage in passages}
    shown = dict.fromkeys((str(source), record.passages[source, at].digest) for source, at in record.shown)
    standings.learn(
        passages,
        [Shown(by_key[key], key[1] in grounded, USUAL_CREDIT if key[1] in grounded else 0.0) for key in shown],
        correct=_CORRECT[verdict],
    )


def credits_of(record: QueryRecord, job: RetrievalJob, domain: SourceDomain) -> dict[int, float]:
    """The exact Shapley value of each answering source: of finding what a right answer rests on, or a wrong one.

    Empty where no judge compared the answer with a reference: nobody is paid on its own word.
    """
    feedback = judged(record, job, domain)
    if feedback is None or feedback[0] is Verdict.NO_REFERENCE:
        return {}
    verdict, grounded = feedback
    sources = sorted({str(answer.source_id) for answer in record.answers})
    game = ranking_game(
        sources, passages_of(record.answers), dict.fromkeys(grounded, 1), depth=max(1, len(record.shown))
    )
    sign = 1 if verdict is Verdict.RIGHT else -1
    return {int(source): sign * credit for source, credit in source_credits(sources, game).items()}


def judged(record: QueryRecord, job: RetrievalJob, domain: SourceDomain) -> tuple[Verdict, frozenset[bytes]] | None:
    """A judge's verdict, and which of the shown passages the answer rests on; None where no judge said anything."""
    feedback = record.feedback
    if feedback is None:
        return None
    if feedback.giver(domain, record.asked.query.digest(domain), record.shown_keys) not in job.judges:
        return None
    shown = {record.passages[place].digest for place in record.shown}
    return feedback.verdict, frozenset(feedback.grounded) & shown


def _numbers(grounding: Grounding) -> list[float]:
    return [*astuple(grounding.relevance), *astuple(grounding.behind)]


def _written(numbers: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(number * STATE_UNIT) for number in numbers)
