// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {Vm} from "../Test.sol";
import {CourtTest} from "./CourtTest.sol";

/// When a committee does not agree, or is not believed
/// ├── no quorum: drawn again with a larger committee, at most twice, then refunded
/// ├── appeal
/// │   ├── by the contributor against fraud, by the requester against a pass, by nobody else, in the window
/// │   ├── judges the same leaves under a new key, with a larger committee
/// │   ├── decides: the bond is that committee's fee
/// │   └── does not decide: the decision stands, the bond goes back
/// ├── punish: who decided what a larger committee overturned is slashed, once
/// └── canary: announced before the record, turns fraud into no slash, and nothing else
contract DisputesTest is CourtTest {
    uint256 private constant PAY = 10 * uint256(PRICE);
    uint256 private constant LOCK = 10 * uint256(SLASH);

    function setUp() public override {
        super.setUp();
        addVerifiers(18);
        fund(contributor, 10_000e18);
    }

    // ------------------------------------------------------------------ no quorum

    function test_NoQuorum_DrawsAgainLargerThenRefunds() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        uint256[3] memory sizes = [uint256(5), 11, 23];
        for (uint256 i = 0; i < 3; ++i) {
            Round memory round = draw(batch);
            vm.assertEq(round.number, i, "round");
            vm.assertEq(round.committee.length, sizes[i], "size");
            _runSplitRound(batch, round);
        }
        assertOutcome(batchId, IAuditCourt.Outcome.REFUNDED);
        court.settle(batch);
        vm.assertEq(activeStake(contributor), STAKE, "nobody is slashed for fraud");
        vm.assertEq(escrow.creditOf(contributor), 0, "pay");
        vm.assertEq(escrow.jobOf(job).free, 10_000e18, "all is back, the fee too");
    }

    function test_NoQuorum_ThenADecision_PaysTheFeeOnce() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        _runSplitRound(batch, draw(batch));
        Round memory round = runHonestRound(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        vm.assertEq(escrow.creditOf(round.committee[0]), SHARED_FEE / 11, "fee");
        settle(batch);
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");
    }

    function test_NoQuorum_WithTooFewForALargerCommittee_Refunds() external {
        for (uint256 i = 5; i < verifiers.length; ++i) {
            vm.prank(verifiers[i]);
            vault.leaveCommittee();
        }
        vm.roll(vm.getBlockNumber() + 2 * PERIOD);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        _runSplitRound(batch, draw(batch));
        draw(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.REFUNDED);
    }

    function testFuzz_Threat18_Quorum_IsTwoThirdsOfTheCommittee(uint256 agreeing) external {
        agreeing = bound(agreeing, 0, 5);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        for (uint256 i = agreeing; i < 5; ++i) {
            plays[i].given.digests[0] = type(uint256).max << (50 * i);
        }
        runRound(batch, round, plays, new uint256[](2));
        assertOutcome(batchId, agreeing >= 4 ? IAuditCourt.Outcome.PASS : IAuditCourt.Outcome.NONE);
    }

    // ------------------------------------------------------------------ appeals

    function test_Appeal_Overturned_PaysTheContributor() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory wrong = runFraudRound(batch);
        uint256 bond = court.appealBond(batch);
        vm.assertEq(bond, (uint256(FEE) * 11 + 4) / 5, "bond: the larger committee's fee");
        uint256 held = token.balanceOf(contributor);
        vm.prank(contributor);
        court.appeal(batch);
        vm.assertEq(held - token.balanceOf(contributor), bond, "bond pulled");

        Round memory right = runHonestRound(batch);
        vm.assertEq(right.committee.length, 11, "larger");
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        settle(batch);
        vm.assertEq(escrow.creditOf(contributor), PAY, "paid");
        vm.assertEq(activeStake(contributor), STAKE, "not slashed");
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");
        uint256 each = (bond - bond / 20) / 11;
        uint256 first = escrow.creditOf(right.committee[0]);
        vm.assertTrue(first == each || first == each + SHARED_FEE / 5, "the bond is the second committee's fee");
        vm.assertGe(escrow.creditOf(wrong.committee[0]), SHARED_FEE / 5, "the first committee had its fee");
    }

    function test_Appeal_ByTheRequesterAgainstAPass() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runHonestRound(batch);
        vm.prank(requester);
        court.appeal(batch);
        runFraudRound(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        settle(batch);
        vm.assertEq(activeStake(contributor), STAKE - LOCK, "slashed");
    }

    function test_Appeal_OnlyByTheSideThatLost() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runHonestRound(batch);
        vm.prank(contributor);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotRequester.selector, batchId, contributor));
        court.appeal(batch);

        (batch, batchId) = recordNext();
        runFraudRound(batch);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotContributor.selector, batchId, requester));
        court.appeal(batch);

        (batch, batchId) = recordNext();
        Round memory round = draw(batch);
        uint256[] memory digests = new uint256[](2);
        digests[0] = flipped(0, SOFT + 1);
        runRound(batch, round, honest(round), digests);
        vm.prank(requester);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtNotAppealable.selector, batchId, IAuditCourt.Outcome.GREY
            )
        );
        court.appeal(batch);
    }

    function test_Threat02_Appeal_TillTheLastSecondOfTheWindow() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runFraudRound(batch);
        uint256 deadline = vm.getBlockTimestamp() + APPEAL;
        vm.warp(deadline);
        vm.prank(contributor);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtTooLate.selector, batchId, deadline));
        court.appeal(batch);
        vm.warp(deadline - 1);
        vm.prank(contributor);
        court.appeal(batch);
        assertPhase(batchId, IAuditCourt.Phase.RECORDED);
    }

    function test_Appeal_AtMostTwice() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        uint256[2] memory bonds = [(uint256(FEE) * 11 + 4) / 5, (uint256(FEE) * 23 + 4) / 5];
        for (uint256 i = 0; i < 2; ++i) {
            runFraudRound(batch);
            vm.assertEq(court.appealBond(batch), bonds[i], "bond");
            vm.prank(contributor);
            court.appeal(batch);
        }
        Round memory last = runFraudRound(batch);
        vm.assertEq(last.committee.length, 23, "size");
        vm.prank(contributor);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtAppealsExhausted.selector, batchId));
        court.appeal(batch);
        settle(batch);
        vm.assertEq(activeStake(contributor), STAKE - LOCK, "slashed once");
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");
    }

    /// Whoever was caught must not be able to have other leaves drawn until it is missed.
    function test_Appeal_JudgesTheSameLeavesUnderANewKey() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory first = runFraudRound(batch);
        vm.prank(contributor);
        court.appeal(batch);
        vm.roll(court.auditOf(batchId).seedBlock + 1);
        vm.recordLogs();
        Round memory second = draw(batch);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], IAuditCourt.Drawn.selector, "event");
        (bytes32 seed, bytes32 sampleSeed,,) = abi.decode(logs[0].data, (bytes32, bytes32, address[], uint256));
        vm.assertEq(sampleSeed, first.seed, "same leaves");
        vm.assertEq(seed, second.seed, "own seed");
        vm.assertNotEq(court.fingerprintKey(first.seed), court.fingerprintKey(second.seed), "new key");
    }

    /// More than a third of the stake can keep a larger committee from deciding; that must not undo a decision.
    function test_Appeal_WithoutADecision_LeavesTheFirstStandingAndReturnsTheBond() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runFraudRound(batch);
        uint256 bond = court.appealBond(batch);
        vm.prank(contributor);
        court.appeal(batch);
        _runSplitRound(batch, draw(batch));
        _runSplitRound(batch, draw(batch));
        assertPhase(batchId, IAuditCourt.Phase.RECORDED);
        draw(batch); // 23 cannot grow.
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        vm.assertEq(escrow.creditOf(contributor), bond, "bond");
        vm.assertEq(escrow.jobOf(job).reserved, PAY, "reserved");
        settle(batch);
        vm.assertEq(activeStake(contributor), STAKE - LOCK, "slashed");
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");
    }

    // ------------------------------------------------------------------ punish

    function test_Threat18_Punish_WhoPassedFraud() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory cartel = draw(batch);
        Play[] memory plays = honest(cartel);
        plays[4].given.verdicts[0] = INCONSISTENT;
        runRound(batch, cartel, plays, new uint256[](2));
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        vm.prank(requester);
        court.appeal(batch);
        runFraudRound(batch);
        settle(batch);

        uint256[] memory before = new uint256[](5);
        for (uint256 i = 0; i < 5; ++i) {
            before[i] = activeStake(cartel.committee[i]);
        }
        uint256 credit = vault.stakeOf(requester).credit;
        _punish(batch, cartel, plays, new uint256[](2));
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(before[i] - activeStake(cartel.committee[i]), i < 4 ? 10e18 : 0, "slashed");
        }
        vm.assertEq(vault.stakeOf(requester).credit - credit, 4 * 5e18, "half to the wronged side");

        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtAuditMismatch.selector, batchId));
        _punish(batch, cartel, plays, new uint256[](2));
    }

    function test_Threat18_Punish_WhoFailedHonestWork() external {
        (IAuditCourt.Batch memory batch,) = recordNext();
        Round memory cartel = runFraudRound(batch);
        vm.prank(contributor);
        court.appeal(batch);
        runHonestRound(batch);
        settle(batch);
        _punish(batch, cartel, unanimous(cartel, INCONSISTENT), new uint256[](2));
        vm.assertEq(vault.stakeOf(contributor).credit, 5 * 5e18, "half to the wronged side");
    }

    /// A contributor that discloses nothing first and the truth later makes honest verifiers look wrong.
    function test_Punish_NotForWhatTheContributorChanged() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        runRound(batch, round, honest(round), new uint256[](0));
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        vm.prank(contributor);
        court.appeal(batch);
        runHonestRound(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        settle(batch);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotOverturned.selector, batchId, 0));
        _punish(batch, round, honest(round), new uint256[](0));

        // And the other way round: it passes first, then its accomplice appeals and it discloses nothing.
        (batch, batchId) = recordNext();
        round = runHonestRound(batch);
        vm.prank(requester);
        court.appeal(batch);
        Round memory second = draw(batch);
        runRound(batch, second, honest(second), new uint256[](0));
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        settle(batch);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotOverturned.selector, batchId, 0));
        _punish(batch, round, honest(round), new uint256[](2));
    }

    function test_Punish_NotWhenTheDecisionStood() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = runFraudRound(batch);
        settle(batch);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotOverturned.selector, batchId, 0));
        _punish(batch, round, unanimous(round, INCONSISTENT), new uint256[](2));
    }

    // ------------------------------------------------------------------ canaries

    /// The committee passes a contribution that its requester knows to be bad: a larger one finds it, the first one pays.
    function test_Threat18_Canary_ExposesALazyCommittee() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = _canary();
        Round memory lazy = runHonestRound(batch);
        vm.prank(requester);
        court.appeal(batch);
        runFraudRound(batch);
        vm.prank(requester);
        court.revealCanary(batch, "salt");
        assertOutcome(batchId, IAuditCourt.Outcome.CANARY);
        court.settle(batch);
        vm.assertEq(activeStake(contributor), STAKE, "the accomplice is not slashed");
        vm.assertEq(escrow.creditOf(contributor), 0, "nor paid");
        vm.assertEq(distrust(requester, contributor), 0, "nor distrusted");
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");

        _punish(batch, lazy, honest(lazy), new uint256[](2));
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(activeStake(lazy.committee[i]), STAKE - 10e18, "slashed");
        }
    }

    function test_Canary_AnnouncedTooLate() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        bytes32 commitment = keccak256(abi.encode(requester, batchId, bytes32("salt")));
        vm.roll(vm.getBlockNumber() + 1);
        court.commitCanary(commitment);
        runFraudRound(batch);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtUnknownCanary.selector, commitment));
        court.revealCanary(batch, "salt");
    }

    function test_Canary_OnlyByTheRequesterAndOnlyAgainstFraud() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = _canary();
        runHonestRound(batch);
        vm.prank(contributor);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtNotRequester.selector, batchId, contributor));
        court.revealCanary(batch, "salt");
        // Otherwise a requester could have honest work done for nothing.
        vm.prank(requester);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtNotAppealable.selector, batchId, IAuditCourt.Outcome.PASS
            )
        );
        court.revealCanary(batch, "salt");
    }

    function test_Canary_IsAnnouncedOnce() external {
        court.commitCanary("commitment");
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtCanaryExists.selector, bytes32("commitment"))
        );
        court.commitCanary("commitment");
    }

    // ------------------------------------------------------------------ helpers

    function _canary() private returns (IAuditCourt.Batch memory batch, bytes32 batchId) {
        batch = nextBatch();
        court.commitCanary(keccak256(abi.encode(requester, court.hashBatch(batch), bytes32("salt"))));
        batchId = record(batch);
    }

    /// @dev No two seats agree on the first leaf.
    function _runSplitRound(IAuditCourt.Batch memory batch, Round memory round) private {
        Play[] memory plays = honest(round);
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].given.digests[0] = uint256(keccak256(abi.encode(i)));
        }
        runRound(batch, round, plays, new uint256[](2));
    }

    function _punish(IAuditCourt.Batch memory batch, Round memory round, Play[] memory plays, uint256[] memory digests)
        private
    {
        court.punish(batch, round.number, round.seed, round.committee, revealsOf(plays), digests);
    }
}
