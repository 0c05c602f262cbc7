// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {CourtTest} from "./CourtTest.sol";

/// What a batch needs to be recorded, and what decides about it then
/// ├── record: in order, in time, signed over every field by its contributor, within stake and money
/// └── the seed: after the record, armed again when out of reach, deaf to everything that comes later
contract RecordingTest is CourtTest {
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
            vm.mockCallRevert(
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
}
