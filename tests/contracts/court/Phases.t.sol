// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {CourtTest} from "./CourtTest.sol";

/// Who may act, when, and with what
/// ├── each phase from its first second to its last, and one second beyond
/// ├── each call in each wrong phase
/// └── commitments: write-once, bound to their sender, hiding nothing else
contract PhasesTest is CourtTest {
    // ------------------------------------------------------------------ commit

    function test_Threat02_Commit_TillTheLastSecond() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        vm.warp(vm.getBlockTimestamp() + COMMIT - 1);
        commit(batchId, round, 0, honest(round)[0].given);
        vm.warp(vm.getBlockTimestamp() + 1);
        _refusePhase(
            round.committee[1],
            abi.encodeCall(IAuditCourt.commit, (batchId, keccak256("late"))),
            batchId,
            IAuditCourt.Phase.DISCLOSE,
            IAuditCourt.Phase.COMMIT
        );
    }

    function test_Threat02_Commit_IsWrittenOnce() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        commit(batchId, round, 0, honest(round)[0].given);
        vm.prank(round.committee[0]);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtAlreadyCommitted.selector, batchId, round.committee[0]
            )
        );
        court.commit(batchId, keccak256("other"));
    }

    function test_Commit_OnlyByTheCommittee() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        draw(batch);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotSeated.selector, batchId, 0, stranger));
        court.commit(batchId, keccak256("mine"));
    }

    /// A copy can be committed, and does not keep the victim from committing the same; but the copier cannot reveal it.
    function test_Threat01_CopiedCommitment_CannotBeRevealed() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        bytes32 original = court.commitmentOf(
            batchId, 0, round.committee[0], plays[0].given.digests, plays[0].given.verdicts, 0, salt(0)
        );
        vm.prank(round.committee[1]);
        court.commit(batchId, original);
        plays[1].commits = false;
        commitAll(batchId, round, plays);
        awaitPhase(batchId, IAuditCourt.Phase.DISCLOSE);
        disclose(batch, new uint256[](2));
        reveal(batchId, round, 0, plays[0].given);
        vm.prank(round.committee[1]);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtCommitmentMismatch.selector, batchId, round.committee[1]
            )
        );
        court.reveal(batchId, plays[0].given.digests, plays[0].given.verdicts, 3, 0, salt(0));
    }

    function testFuzz_Threat01_Commitment_BindsEverything(uint256 field, bytes32 other) external {
        uint256[] memory digests = new uint256[](2);
        uint8[] memory verdicts = new uint8[](2);
        (verdicts[0], verdicts[1]) = (1, 1);
        bytes32 plain = court.commitmentOf("id", 0, stranger, digests, verdicts, 0, 0);
        vm.assume(other != 0 && other != "id" && uint160(uint256(other)) != 0);
        address verifier = address(uint160(uint256(other)));
        vm.assume(verifier != stranger);
        field = bound(field, 0, 8);
        bytes32 changed;
        if (field == 0) changed = court.commitmentOf(other, 0, stranger, digests, verdicts, 0, 0);
        if (field == 1) changed = court.commitmentOf("id", uint256(other), stranger, digests, verdicts, 0, 0);
        if (field == 2) changed = court.commitmentOf("id", 0, verifier, digests, verdicts, 0, 0);
        if (field == 3) {
            digests[1] = uint256(other);
            changed = court.commitmentOf("id", 0, stranger, digests, verdicts, 0, 0);
        }
        if (field == 4) {
            verdicts[1] = 2;
            changed = court.commitmentOf("id", 0, stranger, digests, verdicts, 0, 0);
        }
        if (field == 5) changed = court.commitmentOf("id", 0, stranger, digests, verdicts, other, 0);
        if (field == 6) changed = court.commitmentOf("id", 0, stranger, digests, verdicts, 0, other);
        if (field == 7) {
            vm.chainId(block.chainid + 1);
            changed = court.commitmentOf("id", 0, stranger, digests, verdicts, 0, 0);
        }
        if (field == 8) {
            deploy(token);
            changed = court.commitmentOf("id", 0, stranger, digests, verdicts, 0, 0);
        }
        vm.assertNotEq(changed, plain, "commitment");
    }

    // ------------------------------------------------------------------ disclose

    function test_Threat02_Disclose_AfterTheCommitsUntilTheLastSecond() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        bytes memory call = abi.encodeCall(IAuditCourt.disclose, (batch, new uint256[](2), 0));
        _refusePhase(contributor, call, batchId, IAuditCourt.Phase.COMMIT, IAuditCourt.Phase.DISCLOSE);
        commitAll(batchId, round, honest(round));
        uint256 state = vm.snapshotState();
        vm.warp(vm.getBlockTimestamp() + DISCLOSE);
        _refusePhase(contributor, call, batchId, IAuditCourt.Phase.REVEAL, IAuditCourt.Phase.DISCLOSE);
        vm.revertToState(state);
        vm.warp(vm.getBlockTimestamp() + DISCLOSE - 1);
        disclose(batch, new uint256[](2));
        _refusePhase(contributor, call, batchId, IAuditCourt.Phase.REVEAL, IAuditCourt.Phase.DISCLOSE);
    }

    function test_Disclose_OnlyByTheContributorAndComplete() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        commitAll(batchId, round, honest(round));
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotContributor.selector, batchId, requester));
        court.disclose(batch, new uint256[](2), 0);
        vm.prank(contributor);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtLengthMismatch.selector, 3, 2));
        court.disclose(batch, new uint256[](3), 0);
    }

    // ------------------------------------------------------------------ reveal

    function test_Threat02_Reveal_AfterTheDisclosureUntilTheLastSecond() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        commitAll(batchId, round, plays);
        bytes memory call = abi.encodeCall(
            IAuditCourt.reveal, (batchId, plays[0].given.digests, plays[0].given.verdicts, 3, 0, salt(0))
        );
        _refusePhase(
            round.committee[0], call, batchId, IAuditCourt.Phase.DISCLOSE, IAuditCourt.Phase.REVEAL
        );
        disclose(batch, new uint256[](2));
        vm.warp(vm.getBlockTimestamp() + REVEAL - 1);
        reveal(batchId, round, 1, plays[1].given);
        vm.warp(vm.getBlockTimestamp() + 1);
        _refusePhase(round.committee[0], call, batchId, IAuditCourt.Phase.TALLY, IAuditCourt.Phase.REVEAL);
    }

    function test_Reveal_RefusesWhatIsNotInOrder() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        plays[1].given.verdicts[0] = 4;
        plays[2].given.verdicts[0] = 0;
        plays[4].commits = false;
        commitAll(batchId, round, plays);
        awaitPhase(batchId, IAuditCourt.Phase.REVEAL);
        uint256[] memory digests = plays[0].given.digests;
        uint8[] memory verdicts = plays[0].given.verdicts;

        vm.startPrank(round.committee[0]);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtLengthMismatch.selector, 1, 2));
        court.reveal(batchId, new uint256[](1), verdicts, 3, 0, salt(0));
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtLengthMismatch.selector, 3, 2));
        court.reveal(batchId, digests, new uint8[](3), 3, 0, salt(0));
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtInvalidOpened.selector, 4));
        court.reveal(batchId, digests, verdicts, 4, 0, salt(0));
        court.reveal(batchId, digests, verdicts, 3, 0, salt(0));
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtNotCommitted.selector, batchId, round.committee[0])
        );
        court.reveal(batchId, digests, verdicts, 3, 0, salt(0));
        vm.stopPrank();

        vm.prank(round.committee[1]);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtInvalidVerdict.selector, 4));
        court.reveal(batchId, digests, plays[1].given.verdicts, 3, 0, salt(1));
        vm.prank(round.committee[2]);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtInvalidVerdict.selector, 0));
        court.reveal(batchId, digests, plays[2].given.verdicts, 3, 0, salt(2));
        vm.prank(round.committee[4]);
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtNotCommitted.selector, batchId, round.committee[4])
        );
        court.reveal(batchId, digests, verdicts, 3, 0, salt(4));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotCommitted.selector, batchId, stranger));
        court.reveal(batchId, digests, verdicts, 3, 0, salt(4));
    }

    // ------------------------------------------------------------------ finalize, settle

    function test_Threat02_Finalize_NotBeforeTheRevealsAreOver() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        plays[0].reveals = false;
        commitAll(batchId, round, plays);
        disclose(batch, new uint256[](2));
        revealAll(batchId, round, plays);
        vm.warp(vm.getBlockTimestamp() + REVEAL - 1);
        bytes memory call = abi.encodeCall(
            IAuditCourt.finalize, (batch, round.seed, round.committee, revealsOf(plays), new uint256[](2))
        );
        _refusePhase(stranger, call, batchId, IAuditCourt.Phase.REVEAL, IAuditCourt.Phase.TALLY);
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.prank(stranger);
        (bool done,) = address(court).call(call);
        vm.assertTrue(done, "finalized");
        _refusePhase(stranger, call, batchId, IAuditCourt.Phase.DECIDED, IAuditCourt.Phase.TALLY);
    }

    function test_Finalize_ChecksEveryArgument() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        uint256[] memory digests = new uint256[](2);
        play(batch, round, plays, digests);
        IAuditCourt.Reveal[] memory reveals = revealsOf(plays);
        bytes memory mismatch = abi.encodeWithSelector(IAuditCourt.AuditCourtAuditMismatch.selector, batchId);

        vm.expectRevert(mismatch);
        court.finalize(batch, keccak256("other"), round.committee, reveals, digests);
        vm.expectRevert(mismatch);
        court.finalize(batch, round.seed, round.committee, reveals, new uint256[](0));
        digests[0] = 1;
        vm.expectRevert(mismatch);
        court.finalize(batch, round.seed, round.committee, reveals, digests);
        digests[0] = 0;
        (round.committee[0], round.committee[1]) = (round.committee[1], round.committee[0]);
        vm.expectRevert(mismatch);
        court.finalize(batch, round.seed, round.committee, reveals, digests);
        (round.committee[0], round.committee[1]) = (round.committee[1], round.committee[0]);

        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtLengthMismatch.selector, 4, 5));
        court.finalize(batch, round.seed, round.committee, new IAuditCourt.Reveal[](4), digests);
        reveals[3].opened = 1;
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtRevealMismatch.selector, batchId, round.committee[3])
        );
        court.finalize(batch, round.seed, round.committee, reveals, digests);
    }

    function test_Threat02_Settle_NotBeforeTheAppealWindowIsOver() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runHonestRound(batch);
        uint256 notBefore = vm.getBlockTimestamp() + APPEAL;
        vm.warp(notBefore - 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtTooEarly.selector, batchId, notBefore));
        court.settle(batch);
        vm.warp(notBefore);
        court.settle(batch);
        assertPhase(batchId, IAuditCourt.Phase.SETTLED);
    }

    function test_Threat02_EveryCall_NeedsItsPhase() external {
        IAuditCourt.Batch memory batch = nextBatch();
        bytes32 batchId = court.hashBatch(batch);
        Round memory round;
        bytes[8] memory calls = [
            abi.encodeCall(IAuditCourt.draw, (batch)),
            abi.encodeCall(IAuditCourt.commit, (batchId, 0)),
            abi.encodeCall(IAuditCourt.disclose, (batch, new uint256[](2), 0)),
            abi.encodeCall(IAuditCourt.reveal, (batchId, new uint256[](2), new uint8[](2), 0, 0, 0)),
            abi.encodeCall(
                IAuditCourt.finalize,
                (batch, round.seed, round.committee, new IAuditCourt.Reveal[](0), new uint256[](0))
            ),
            abi.encodeCall(IAuditCourt.settle, (batch)),
            abi.encodeCall(IAuditCourt.appeal, (batch)),
            abi.encodeCall(
                IAuditCourt.punish,
                (batch, 0, round.seed, round.committee, new IAuditCourt.Reveal[](0), new uint256[](0))
            )
        ];
        IAuditCourt.Phase[8] memory needed = [
            IAuditCourt.Phase.RECORDED,
            IAuditCourt.Phase.COMMIT,
            IAuditCourt.Phase.DISCLOSE,
            IAuditCourt.Phase.REVEAL,
            IAuditCourt.Phase.TALLY,
            IAuditCourt.Phase.DECIDED,
            IAuditCourt.Phase.DECIDED,
            IAuditCourt.Phase.SETTLED
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _refusePhase(stranger, calls[i], batchId, IAuditCourt.Phase.NONE, needed[i]);
        }
        record(batch);
        for (uint256 i = 1; i < calls.length; ++i) {
            _refusePhase(stranger, calls[i], batchId, IAuditCourt.Phase.RECORDED, needed[i]);
        }
        runHonestRound(batch);
        settle(batch);
        for (uint256 i = 0; i < 7; ++i) {
            _refusePhase(stranger, calls[i], batchId, IAuditCourt.Phase.SETTLED, needed[i]);
        }
    }

    // ------------------------------------------------------------------ helpers

    function _refusePhase(
        address caller,
        bytes memory call,
        bytes32 batchId,
        IAuditCourt.Phase current,
        IAuditCourt.Phase needed
    ) private {
        vm.prank(caller);
        (bool success, bytes memory reason) = address(court).call(call);
        vm.assertTrue(!success, "refused");
        vm.assertEq(
            reason,
            abi.encodeWithSelector(IAuditCourt.AuditCourtWrongPhase.selector, batchId, current, needed),
            "reason"
        );
    }
}
