// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {CourtTest} from "./CourtTest.sol";

/// One batch from its record to its settlement
/// ├── recorded: the job's money is reserved, the contributor's stake locked
/// ├── not sampled: paid after a delay, the fee goes back
/// ├── audited
/// │   ├── passes: contributor and verifiers paid, trust recorded
/// │   ├── between the thresholds: no pay, no slash
/// │   ├── beyond the hard threshold, inconsistent, not disclosed, or not opened: slashed, distrust recorded
/// │   ├── unavailable: no pay, no slash
/// │   └── too few verifiers: refunded, the fee goes back
/// └── each verifier that is absent, withholds or lies outside the cluster is penalized by its own amount
contract LifeCycleTest is CourtTest {
    uint256 private constant PAY = 10 * uint256(PRICE);
    uint256 private constant LOCK = 10 * uint256(SLASH);

    function test_Record_ReservesAndLocks() external {
        IJobEscrow.Job memory before = escrow.jobOf(job);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        IJobEscrow.Job memory afterwards = escrow.jobOf(job);
        vm.assertEq(before.free - afterwards.free, PAY + FEE, "free");
        vm.assertEq(afterwards.reserved, PAY + FEE, "reserved");
        vm.assertEq(lockedStake(contributor), LOCK, "locked");
        IAuditCourt.Audit memory audit = court.auditOf(batchId);
        vm.assertEq(audit.seedBlock, vm.getBlockNumber() + SEED_DELAY, "seed block");
        vm.assertEq(court.nextLeaf(job, contributor), batch.count, "next leaf");
    }

    function test_Record_TellsAllThatAnIndexerNeeds() external {
        IAuditCourt.Batch memory batch = nextBatch();
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        bytes[] memory signatures = new bytes[](1);
        (batches[0], signatures[0]) = (batch, signature(batch));
        bytes32 batchId = court.hashBatch(batch);
        vm.expectEmit(address(court));
        emit IAuditCourt.Recorded(batchId, requester, batch, vm.getBlockNumber() + SEED_DELAY);
        court.record(batches, signatures);
    }

    function test_Draw_TakesSamplesAndWordsFromTheTerms() external {
        IAuditCourt.Batch memory batch = nextBatch();
        bytes32 batchId = record(batch);
        draw(batch);
        vm.assertEq(court.auditOf(batchId).samples, 2, "samples");
        vm.assertEq(court.auditOf(batchId).words, 1, "words");

        batch = nextBatch();
        batch.count = 1;
        batchId = record(batch);
        draw(batch);
        vm.assertEq(court.auditOf(batchId).samples, 1, "no more than there are leaves");
    }

    function test_Pass_PaysContributorAndVerifiers() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = runHonestRound(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        vm.assertEq(escrow.creditOf(contributor), 0, "not paid before the appeal window has passed");
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(escrow.creditOf(round.committee[i]), SHARED_FEE / 5, "fee");
            vm.assertEq(activeStake(round.committee[i]), STAKE, "verifier's stake");
        }
        settle(batch);
        vm.assertEq(escrow.creditOf(contributor), PAY, "pay");
        vm.assertEq(lockedStake(contributor), 0, "locked");
        vm.assertEq(activeStake(contributor), STAKE, "stake");
        vm.assertEq(trust(requester, contributor), PAY, "trust");
        vm.assertEq(distrust(requester, contributor), 0, "distrust");
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");

        vm.prank(contributor);
        escrow.withdraw();
        vm.assertEq(token.balanceOf(contributor), PAY, "withdrawn");
    }

    function test_Unsampled_PaysAfterTheDelay() external {
        IJobEscrow.Terms memory lenient = terms();
        (lenient.auditRateFloor, lenient.auditRateCeiling, lenient.slashPerUnit) = (2, 2, 10_000e18);
        stake(contributor, 1_000_000e18);
        job = openJob(lenient, 10_000e18);
        uint256 free = escrow.jobOf(job).free;
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        vm.roll(vm.getBlockNumber() + SEED_DELAY + 1);
        court.draw(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.UNSAMPLED);

        vm.warp(vm.getBlockTimestamp() + UNSAMPLED - 1);
        vm.expectPartialRevert(IAuditCourt.AuditCourtTooEarly.selector);
        court.settle(batch);
        vm.warp(vm.getBlockTimestamp() + 1);
        court.settle(batch);
        vm.assertEq(escrow.creditOf(contributor), PAY, "pay");
        vm.assertEq(escrow.jobOf(job).free, free - PAY, "the fee is back");
        vm.assertEq(trust(requester, contributor), PAY, "trust");
    }

    function testFuzz_Threat21_DistanceDecides(uint256 bits) external {
        bits = bound(bits, 0, 256);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        uint256[] memory digests = new uint256[](2);
        digests[1] = flipped(0, bits);
        runRound(batch, round, honest(round), digests);
        if (bits <= SOFT) assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        else if (bits <= HARD) assertOutcome(batchId, IAuditCourt.Outcome.GREY);
        else assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
    }

    function test_Grey_NeitherPaysNorSlashes() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        uint256[] memory digests = new uint256[](2);
        digests[0] = flipped(0, SOFT + 1);
        runRound(batch, round, honest(round), digests);
        assertOutcome(batchId, IAuditCourt.Outcome.GREY);
        court.settle(batch); // At once: there is nothing to appeal against.
        _assertUnpaid(PAY);
        vm.assertEq(escrow.creditOf(round.committee[0]), SHARED_FEE / 5, "fee");
    }

    function test_Fraud_SlashesHalfToTheRequester() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        uint256[] memory digests = new uint256[](2);
        digests[0] = flipped(0, HARD + 1);
        runRound(batch, round, honest(round), digests);
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        vm.assertEq(activeStake(contributor), STAKE, "provisional");
        settle(batch);
        vm.assertEq(activeStake(contributor), STAKE - LOCK, "slashed");
        vm.assertEq(lockedStake(contributor), 0, "locked");
        vm.assertEq(vault.stakeOf(requester).credit, LOCK / 2, "half to the requester");
        (uint256 burned,) = vault.burned();
        vm.assertEq(burned, LOCK / 2, "half burned");
        vm.assertEq(escrow.creditOf(contributor), 0, "pay");
        vm.assertEq(distrust(requester, contributor), PAY, "distrust");
        vm.assertEq(trust(requester, contributor), 0, "trust");
        vm.assertEq(escrow.jobOf(job).free, 10_000e18 - FEE, "the price is back");
    }

    function test_Fraud_WhenInconsistent() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runFraudRound(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        vm.assertTrue(court.auditOf(batchId).proven, "proven");
    }

    function test_Fraud_WhenNothingIsDisclosed() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        runRound(batch, round, honest(round), new uint256[](0));
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        vm.assertTrue(!court.auditOf(batchId).proven, "not proven");
    }

    function test_Threat23_Fraud_WhenTheDigestDoesNotOpenTheTrace() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        for (uint256 i = 0; i < 5; ++i) {
            plays[i].given.opened = 1;
        }
        runRound(batch, round, plays, new uint256[](2));
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);
        vm.assertTrue(!court.auditOf(batchId).proven, "not proven");
    }

    function test_Threat29_UnavailableData_EndsWithoutPayOrSlash() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        runRound(batch, round, unanimous(round, UNAVAILABLE), new uint256[](0));
        // The other leaf was not opened either: nothing disclosed is fraud unless all that is missing is the data.
        assertOutcome(batchId, IAuditCourt.Outcome.FRAUD);

        (batch, batchId) = recordNext();
        round = draw(batch);
        Play[] memory plays = unanimous(round, UNAVAILABLE);
        for (uint256 i = 0; i < 5; ++i) {
            plays[i].given.verdicts[1] = UNAVAILABLE;
        }
        uint256 credit = escrow.creditOf(contributor);
        uint256 active = activeStake(contributor);
        runRound(batch, round, plays, new uint256[](0));
        assertOutcome(batchId, IAuditCourt.Outcome.UNAVAILABLE);
        court.settle(batch);
        vm.assertEq(escrow.creditOf(contributor), credit, "pay");
        vm.assertEq(activeStake(contributor), active, "slash");
    }

    function test_TooFewVerifiers_Refunds() external {
        IJobEscrow.Terms memory large = terms();
        large.committeeSize = 9;
        job = openJob(large, 10_000e18);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        vm.roll(vm.getBlockNumber() + SEED_DELAY + 1);
        court.draw(batch);
        assertOutcome(batchId, IAuditCourt.Outcome.REFUNDED);
        court.settle(batch);
        _assertUnpaid(PAY + FEE);
    }

    function test_Penalties_EachByItsOwnAmount() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        plays[1].given.digests[0] = flipped(0, TAU + 1);
        runRound(batch, round, plays, new uint256[](2));
        vm.assertEq(activeStake(round.committee[1]), STAKE - 2e18, "outlier");
        vm.assertEq(escrow.creditOf(round.committee[1]), 0, "an outlier earns nothing");
        vm.assertEq(escrow.creditOf(round.committee[0]), SHARED_FEE / 4, "the others share the whole fee");

        (batch, batchId) = recordNext();
        round = draw(batch);
        plays = honest(round);
        (plays[2].commits, plays[2].reveals) = (false, false);
        uint256 absentStake = activeStake(round.committee[2]);
        runRound(batch, round, plays, new uint256[](2));
        vm.assertEq(absentStake - activeStake(round.committee[2]), 1e18, "absent");
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
    }

    function test_Threat03_WithheldReveal_CostsTheMost() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round);
        plays[4].reveals = false;
        runRound(batch, round, plays, new uint256[](2));
        vm.assertEq(activeStake(round.committee[4]), STAKE - 4e18, "withheld");
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);

        IAuditCourt.Penalties memory amounts = penalties();
        amounts.withheld = amounts.outlier;
        vm.expectRevert(IAuditCourt.AuditCourtInvalidPenalties.selector);
        court.setPenalties(amounts);
    }

    function test_NobodyCommits_EndsByItsDeadlines() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = new Play[](5);
        vm.warp(vm.getBlockTimestamp() + COMMIT);
        assertPhase(batchId, IAuditCourt.Phase.TALLY);
        court.finalize(batch, round.seed, round.committee, revealsOf(plays), new uint256[](0));
        assertPhase(batchId, IAuditCourt.Phase.RECORDED);
        vm.assertEq(court.auditOf(batchId).round, 1, "drawn again");
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(activeStake(round.committee[i]), STAKE - 1e18, "absent");
        }
    }

    function test_Threat09_ZeroVerifiersInEveryCluster_ReturnsTheFee() external {
        IJobEscrow.Terms memory three = terms();
        (three.committeeSize, three.samples) = (6, 3);
        job = openJob(three, 10_000e18);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = honest(round, 3, 3);
        // Each seat is outside the cluster of one leaf; every cluster still holds four of six.
        for (uint256 i = 0; i < 6; ++i) {
            plays[i].given.digests[i / 2] = type(uint256).max << (i % 2 * 128);
        }
        runRound(batch, round, plays, new uint256[](3));
        assertOutcome(batchId, IAuditCourt.Outcome.PASS);
        vm.assertEq(escrow.jobOf(job).free, 10_000e18 - PAY, "the fee is back with the job");
        vm.assertEq(escrow.jobOf(job).reserved, PAY, "reserved");
    }

    function testFuzz_Threat09_RemainderOfTheFee_GoesBack(uint96 fee) external {
        fee = uint96(bound(fee, 1, 1_000e18));
        IJobEscrow.Terms memory odd = terms();
        odd.auditFee = fee;
        job = openJob(odd, 10_000e18);
        (IAuditCourt.Batch memory batch,) = recordNext();
        Round memory round = runHonestRound(batch);
        uint256 credited;
        for (uint256 i = 0; i < 5; ++i) {
            credited += escrow.creditOf(round.committee[i]);
        }
        uint256 networkFee = fee / 20;
        vm.assertEq(escrow.creditOf(address(oracle)), networkFee, "the network's");
        vm.assertEq(credited, (fee - networkFee) / 5 * 5, "credited");
        vm.assertEq(escrow.jobOf(job).free, 10_000e18 - PAY - networkFee - credited, "free");
    }

    function test_Threat10_SettleTwice_Reverts() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        runHonestRound(batch);
        settle(batch);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtWrongPhase.selector,
                batchId,
                IAuditCourt.Phase.SETTLED,
                IAuditCourt.Phase.DECIDED
            )
        );
        court.settle(batch);
        vm.assertEq(escrow.creditOf(contributor), PAY, "paid once");
    }

    function _assertUnpaid(uint256 returned) private view {
        vm.assertEq(escrow.creditOf(contributor), 0, "pay");
        vm.assertEq(activeStake(contributor), STAKE, "stake");
        vm.assertEq(lockedStake(contributor), 0, "locked");
        vm.assertEq(trust(requester, contributor), 0, "trust");
        vm.assertEq(distrust(requester, contributor), 0, "distrust");
        vm.assertEq(escrow.jobOf(job).free, 10_000e18 - PAY - FEE + returned, "free");
        vm.assertEq(escrow.jobOf(job).reserved, 0, "reserved");
    }
}
