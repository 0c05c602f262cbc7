"""What an endpoint tells of the past is not believed where the contracts say otherwise."""

from collections.abc import Iterator

import pytest
from eth_utils.address import to_checksum_address

from scripts.epoch_stage import EpochStage, open_stage
from verifier.epochs.boundary import DISTRUST, TRUST, BoundaryGraph
from verifier.epochs.history import EpochHistory, IncompleteLogError

pytestmark = pytest.mark.chain

NAMES = [to_checksum_address(f"0x{number + 1:040x}") for number in range(600)]


@pytest.fixture
def stage() -> Iterator[EpochStage]:
    with open_stage({NAMES[0]: 1.0}) as stage:
        yield stage


def read_graph(stage: EpochStage) -> BoundaryGraph:
    history = EpochHistory(stage.network)
    history.advance()
    return history.graph()


def test_graph__at_the_boundary__leaves_out_what_came_after(stage: EpochStage) -> None:
    stage.record(TRUST, NAMES[0], NAMES[1], 5)
    stage.record(DISTRUST, NAMES[1], NAMES[2], 7)
    stage.record(TRUST, NAMES[0], NAMES[1], 6)
    stage.close_epoch()
    stage.record(TRUST, NAMES[0], NAMES[1], 100)
    stage.record(TRUST, NAMES[3], NAMES[1], 100)
    graph = read_graph(stage)
    assert graph.trusting == {NAMES[1]: {NAMES[0]: 11}}
    assert graph.distrusting == {NAMES[2]: {NAMES[1]: 7}}
    assert graph.accounts == NAMES[:3]


def test_graph__with_a_hub_of_two_pages__is_read_whole_and_in_order(stage: EpochStage) -> None:
    edges = {name: place + 1 for place, name in enumerate(reversed(NAMES[1:]))}
    stage.plant(BoundaryGraph({NAMES[0]: edges}))
    stage.record(TRUST, NAMES[0], NAMES[1], 1)  # the hub itself is named by an event
    stage.close_epoch()
    assert list(read_graph(stage).trusting[NAMES[0]].items()) == list(edges.items())


def test_graph__that_no_event_tells_of__is_incomplete(stage: EpochStage) -> None:
    stage.plant(BoundaryGraph({NAMES[1]: {NAMES[0]: 1}}))
    stage.close_epoch()
    with pytest.raises(IncompleteLogError, match="tells of 0 accounts where the contracts count 2"):
        read_graph(stage)


def test_history__after_a_reorganisation__is_that_of_the_new_chain(stage: EpochStage) -> None:
    stage.record(TRUST, NAMES[0], NAMES[1], 5)
    history = EpochHistory(stage.network)
    with stage.scene():
        stage.record(TRUST, NAMES[0], NAMES[2], 5)
        stage.close_epoch()
        history.advance()
        assert history.graph().accounts == NAMES[:3]
    stage.record(TRUST, NAMES[0], NAMES[3], 5)
    stage.close_epoch()
    stage.move_on(1)
    history.advance()
    assert history.graph().accounts == [NAMES[0], NAMES[1], NAMES[3]]
