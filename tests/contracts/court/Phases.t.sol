// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {CourtTest} from "./CourtTest.sol";

/// @notice The runner's cheatcode for calls that fail.
interface VmRevert {
    function mockCallRevert(address callee, bytes calldata data, bytes calldata reason) external;
}

/// Who may act, when, and with what
/// ├── each phase from its first second to its last, and one second beyond
/// ├── each call in each wrong phase
/// ├── commitments: write-once, bound to their sender, hiding nothing else
/// └── the seed: after the record, armed again when out of reach, deaf to everything that comes later
contract PhasesTest is CourtTest {
    // ------------------------------------------------------------------ record

    function test_Record_RefusesWhatIsNotInOrder() external {
        IAuditCourt.Batch memory batch = nextBatch();
        batch.count = 0;
        _refuseRecord(batch, abi.encodeWithSelector(IAuditCourt.AuditCourtEmptyBatch.selector));
        batch = nextBatch();
        batch.units = 0;
        _refuseRecord(batch, abi.encodeWithSelector(IAuditCourt.AuditCourtEmptyBatch.selector));
        batch = nextBatch();
        batch.first = 1;
        _refuseRecord(
            batch, abi.encodeWithSelector(IAuditCourt.AuditCourtUnexpectedFirst.selector, job, contributor, 0, 1)
        );
        batch = nextBatch();
        batch.units = 1_000_000;
        _refuseRecord(
            batch,
            abi.encodeWithSelector(
                IJobEscrow.JobEscrowInsufficientFunds.selector, job, 10_000e18, 1_000_000 * uint256(PRICE) + FEE
            )
        );
        batch = nextBatch(job + 1);
        _refuseRecord(batch, abi.encodeWithSelector(IJobEscrow.JobEscrowUnknownJob.selector, job + 1));
    }

    function test_Threat14_Record_UntilTheDeadlineAndNotAfter() external {
        IAuditCourt.Batch memory batch = nextBatch();
        vm.warp(batch.deadline);
        record(batch);
        batch = nextBatch();
        vm.warp(uint256(batch.deadline) + 1);
        _refuseRecord(batch, abi.encodeWithSelector(IAuditCourt.AuditCourtSignatureExpired.selector, batch.deadline));
    }

    function test_Record_UntilTheJobExpiresAndNotAfter() external {
        uint48 expiry = escrow.jobOf(job).terms.expiry;
        vm.warp(expiry - 1);
        recordNext();
        vm.warp(expiry);
        _refuseRecord(nextBatch(), abi.encodeWithSelector(IJobEscrow.JobEscrowExpired.selector, job, expiry));
    }

    function test_Threat14_Record_Replayed() external {
        (IAuditCourt.Batch memory batch,) = recordNext();
        _refuseRecord(
            batch,
            abi.encodeWithSelector(
                IAuditCourt.AuditCourtUnexpectedFirst.selector, job, contributor, batch.count, batch.first
            )
        );
    }

    function test_Threat14_Record_SignedForAnotherChainOrCourt() external {
        IAuditCourt.Batch memory batch = nextBatch();
        bytes memory here = signature(batch);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        _refuseSignature(batch, here);
        vm.chainId(chain);
        address first = address(court);
        deploy(token);
        vm.assertNotEq(uint256(uint160(first)), uint256(uint160(address(court))), "another court");
        _refuseSignature(batch, here);
    }

    function test_Threat14_Record_MalleableSignature() external {
        IAuditCourt.Batch memory batch = nextBatch();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(contributorKey, court.hashBatch(batch));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        _refuseSignature(batch, abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27)));
    }

    function testFuzz_Threat14_Record_SignatureBindsEveryField(uint256 field, uint256 change) external {
        IAuditCourt.Batch memory batch = nextBatch();
        bytes memory good = signature(batch);
        // Each leaves the other checks of the record satisfied.
        field = bound(field, 0, 4);
        change = bound(change, 1, 9);
        if (field == 0) batch.count = uint32(change);
        if (field == 1) batch.units = uint64(change);
        if (field == 2) batch.leavesRoot = bytes32(change);
        if (field == 3) batch.dataHash = bytes32(change);
        if (field == 4) batch.deadline += uint48(change);
        _refuseSignature(batch, good);
    }

    function test_Threat06_Record_LocksAddUp() external {
        // 1,000 staked, 50 locked by each batch.
        for (uint256 i = 0; i < 20; ++i) {
            recordNext();
        }
        vm.assertEq(lockedStake(contributor), STAKE, "locked");
        _refuseRecord(
            nextBatch(),
            abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, contributor, 0, 10 * uint256(SLASH))
        );
    }

    function test_Record_SelfDealing() external {
        stake(requester, STAKE);
        (contributor, contributorKey) = makeAddrAndKey("requester");
        _refuseRecord(
            nextBatch(), abi.encodeWithSelector(IAuditCourt.AuditCourtSelfDealing.selector, requester)
        );
    }

    function test_Threat15_Record_ListIsCapped() external {
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](33);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtTooManyBatches.selector, 33, 32));
        court.record(batches, new bytes[](33));
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtLengthMismatch.selector, 1, 2));
        court.record(new IAuditCourt.Batch[](2), new bytes[](1));
    }

    // ------------------------------------------------------------------ seed

    function test_Threat04_Draw_NotBeforeTheSeedBlock() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        uint256 seedBlock = court.auditOf(batchId).seedBlock;
        vm.roll(seedBlock);
        vm.expectRevert(abi.encodeWithSelector(IAuditCourt.AuditCourtSeedNotReady.selector, batchId, seedBlock));
        court.draw(batch);
        vm.roll(seedBlock + 1);
        court.draw(batch);
        assertPhase(batchId, IAuditCourt.Phase.COMMIT);
    }

    function test_Threat04_Draw_SnapshotGone_ArmsAnotherSeedAndStaysCertain() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        uint256 seedBlock = court.auditOf(batchId).seedBlock;
        vm.roll((seedBlock / PERIOD + 2) * PERIOD);
        court.draw(batch);
        IAuditCourt.Audit memory audit = court.auditOf(batchId);
        vm.assertEq(uint256(audit.phase), uint256(IAuditCourt.Phase.RECORDED), "phase");
        vm.assertEq(audit.seedBlock, vm.getBlockNumber() + SEED_DELAY, "seed block");
        vm.assertTrue(audit.certain, "a batch that was drawn for an audit stays drawn");
        draw(batch);
        assertPhase(batchId, IAuditCourt.Phase.COMMIT);
    }

    function test_Threat04_Draw_BlockHashGone_ArmsAnotherSeed() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        vm.roll(court.auditOf(batchId).seedBlock + 9_000);
        court.draw(batch);
        vm.assertEq(court.auditOf(batchId).seedBlock, vm.getBlockNumber() + SEED_DELAY, "seed block");
        draw(batch);
        assertPhase(batchId, IAuditCourt.Phase.COMMIT);
    }

    /// Had any failure of the vault the same effect, whoever dislikes a seed would call with so little gas that the draw
    /// of a large committee fails, but the arming of another seed does not.
    function test_Threat04_Draw_FailingForAnotherReason_BuysNoNewSeed() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        uint256 seedBlock = court.auditOf(batchId).seedBlock;
        vm.roll(seedBlock + 1);
        bytes[2] memory reasons =
            [bytes(""), abi.encodeWithSelector(IAuditCourt.AuditCourtEmptyBatch.selector)];
        for (uint256 i = 0; i < reasons.length; ++i) {
            VmRevert(address(vm)).mockCallRevert(
                address(vault), abi.encodePacked(IStakeVault.drawCommittee.selector), reasons[i]
            );
            (bool success, bytes memory reason) = address(court).call(abi.encodeCall(IAuditCourt.draw, (batch)));
            vm.assertTrue(!success, "refused");
            vm.assertEq(reason, reasons[i], "reason");
            vm.assertEq(court.auditOf(batchId).seedBlock, seedBlock, "same seed");
        }
    }

    function testFuzz_Threat04_Draw_IgnoresStakeThatMovesAfterTheRecord(uint256 amount) external {
        (, bytes32 batchId) = recordNext();
        uint256 seedBlock = court.auditOf(batchId).seedBlock;
        vm.roll(seedBlock + 1);
        bytes32 seed = keccak256("seed");
        address[] memory before = vault.drawCommittee(seed, seedBlock, 5, contributor, requester);
        stake(verifiers[0], bound(amount, 1, 1_000_000e18));
        vm.prank(verifiers[1]);
        vault.leaveCommittee();
        vm.prank(verifiers[2]);
        vault.beginUnbond(STAKE);
        vm.assertEq(vault.drawCommittee(seed, seedBlock, 5, contributor, requester), before, "committee");
    }

    function testFuzz_AuditRate_FallsWithReputation(uint256 reputation, uint16 floor, uint16 ceiling) external {
        IJobEscrow.Terms memory range = terms();
        ceiling = uint16(bound(ceiling, 2_000, 10_000));
        floor = uint16(bound(floor, 2_000, ceiling));
        (range.auditRateFloor, range.auditRateCeiling, range.slashPerUnit) = (floor, ceiling, 10e18);
        uint256 ranged = openJob(range, 1e18);
        reputation = bound(reputation, 0, 2e18);
        vm.mockCall(
            address(oracle), abi.encodeCall(oracle.reputationOf, (contributor)), abi.encode(reputation)
        );
        uint256 rate = court.auditRate(ranged, contributor);
        vm.assertGe(rate, floor, "never below the floor");
        vm.assertLe(rate, ceiling, "never above the ceiling");
        if (reputation == 0) vm.assertEq(rate, ceiling, "unknown");
        if (reputation >= 1e18) vm.assertEq(rate, floor, "full reputation");
    }

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

    function _refuseRecord(IAuditCourt.Batch memory batch, bytes memory reason) private {
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        bytes[] memory signatures = new bytes[](1);
        (batches[0], signatures[0]) = (batch, signature(batch));
        vm.expectRevert(reason);
        court.record(batches, signatures);
    }

    function _refuseSignature(IAuditCourt.Batch memory batch, bytes memory given) private {
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        bytes[] memory signatures = new bytes[](1);
        (batches[0], signatures[0]) = (batch, given);
        bytes32 batchId = court.hashBatch(batch);
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtInvalidSignature.selector, batchId, contributor)
        );
        court.record(batches, signatures);
    }

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
