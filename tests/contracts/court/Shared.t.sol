// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {Leaf} from "../../../contracts/libraries/Leaf.sol";
import {CourtTest} from "./CourtTest.sol";

/// Rounds whose pay is shared: TRAINING and RETRIEVAL
/// ├── always audited, nothing is disclosed
/// ├── the committee's allocation root becomes the pot's; it needs a quorum like everything else
/// ├── shares are claimed with a proof, and each makes a trust edge once
/// └── what nobody claims goes back
contract SharedTest is CourtTest {
    uint256 private constant PAY = 10 * uint256(PRICE);
    address private _trainer = makeAddr("trainer");

    function terms() internal view override returns (IJobEscrow.Terms memory shared) {
        shared = super.terms();
        shared.kind = IJobEscrow.Kind.TRAINING;
        // Would nearly never be audited, were it not shared.
        (shared.auditRateFloor, shared.auditRateCeiling) = (1, 1);
    }

    function test_Shared_IsAuditedWhateverTheRate() external {
        vm.assertEq(court.auditRate(job, contributor), 10_000, "rate");
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        draw(batch);
        assertPhase(batchId, IAuditCourt.Phase.COMMIT);
    }

    function test_Shared_NothingIsDisclosed() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        commitAll(batchId, round, honest(round));
        assertPhase(batchId, IAuditCourt.Phase.REVEAL);
        vm.prank(contributor);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtWrongPhase.selector,
                batchId,
                IAuditCourt.Phase.REVEAL,
                IAuditCourt.Phase.DISCLOSE
            )
        );
        court.disclose(batch, new uint256[](2), 0);
    }

    function test_Shared_PaysByTheCommitteesRoot() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId, bytes32 root) = _pass(4e18);
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        settle(batch);
        vm.assertEq(escrow.potOf(batchId).root, root, "root");
        vm.assertEq(escrow.potOf(batchId).left, PAY, "pot");
        vm.assertEq(escrow.creditOf(contributor), 0, "the round's organiser is not paid for it");
        vm.assertEq(lockedStake(contributor), 0, "locked");

        escrow.claim(batchId, _trainer, 4e18, new bytes32[](0));
        vm.assertEq(escrow.creditOf(_trainer), 4e18, "share");
        vm.assertEq(trust(requester, _trainer), 0, "no edge yet");
        court.endorse(batchId, _trainer);
        vm.assertEq(trust(requester, _trainer), 4e18, "edge");
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrowNothingToEndorse.selector, batchId, _trainer)
        );
        court.endorse(batchId, _trainer);

        vm.warp(vm.getBlockTimestamp() + CLAIM_WINDOW);
        escrow.returnPot(batchId);
        vm.assertEq(escrow.jobOf(job).free, 10_000e18 - FEE - 4e18, "remainder");
    }

    /// One member must not be able to choose how the round is paid.
    function test_Shared_AnotherRoot_IsOutsideTheCluster() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        bytes32 root = Leaf.share(batchId, _trainer, 4e18);
        Play[] memory plays = _withPayload(round, root);
        plays[0].given.payload = Leaf.share(batchId, round.committee[0], PAY);
        runRound(batch, round, plays, new uint256[](0));
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        vm.assertEq(activeStake(round.committee[0]), STAKE - 2e18, "outlier");
        settle(batch);
        vm.assertEq(escrow.potOf(batchId).root, root, "root");
    }

    function test_Shared_NoRootWithAQuorum_IsDrawnAgain() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        for (uint256 i = 0; i < 5; ++i) {
            plays[i].given.payload = bytes32(i % 2);
        }
        runRound(batch, round, plays, new uint256[](0));
        assertPhase(batchId, IAuditCourt.Phase.RECORDED);
    }

    function test_Shared_Inconsistent_IsFraud() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        runRound(batch, round, unanimous(round, INCONSISTENT), new uint256[](0));
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        settle(batch);
        vm.assertEq(escrow.potOf(batchId).left, 0, "no pot");
        vm.assertEq(distrust(requester, contributor), PAY, "distrust");
    }

    /// The requester can be paid back by an allocation, but not earn reputation from itself.
    function test_Threat18_Shared_RequesterEarnsNoTrustFromItself() external {
        _trainer = requester;
        (IAuditCourt.Batch memory batch, bytes32 batchId,) = _pass(4e18);
        settle(batch);
        escrow.claim(batchId, requester, 4e18, new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtSelfDealing.selector, requester));
        court.endorse(batchId, requester);
    }

    function _pass(uint256 share) private returns (IAuditCourt.Batch memory batch, bytes32 batchId, bytes32 root) {
        (batch, batchId) = recordNext();
        Round memory round = draw(batch);
        root = Leaf.share(batchId, _trainer, share);
        runRound(batch, round, _withPayload(round, root), new uint256[](0));
    }

    function _withPayload(Round memory round, bytes32 payload) private pure returns (Play[] memory plays) {
        plays = honest(round);
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].given.payload = payload;
        }
    }
}
