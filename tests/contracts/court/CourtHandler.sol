// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {Leaf} from "../../../contracts/libraries/Leaf.sol";
import {CourtTest} from "./CourtTest.sol";

/// @notice What requesters, contributors, verifiers and passers-by can do, and books of its own.
abstract contract CourtHandler is CourtTest {
    /// @dev `round` and `plays` are of the round that runs, or of the last one.
    struct Entry {
        bytes32 batchId;
        bytes batch;
        bytes round;
        bytes plays;
        uint256[] disclosed;
        IAuditCourt.Outcome settledAs;
    }

    uint256 public deposited;
    uint256 public withdrawn;
    uint256[] private _jobs;
    Entry[] private _entries;

    function setUp() public virtual override {
        vm.roll(10 * PERIOD);
        vm.warp(1_000_000);
        (contributor, contributorKey) = makeAddrAndKey("contributor");
        deploy(IERC20(deployed("MeritToken", abi.encode(address(this), 1e30))));
        addVerifiers(24);
        stake(contributor, 1_000_000e18);
        fund(requester, 1_000_000e18);
        fund(contributor, 1_000_000e18);
        for (uint256 i = 0; i < 4; ++i) {
            IJobEscrow.Terms memory terms_ = terms();
            if (i == 3) terms_.kind = IJobEscrow.Kind.RETRIEVAL;
            if (i == 1) (terms_.auditRateFloor, terms_.slashPerUnit) = (2_000, 10e18);
            terms_.committeeSize = uint8(3 + i);
            terms_.samples = 1;
            _jobs.push(openJob(terms_, 5_000e18));
            deposited += 5_000e18;
        }
    }

    // ------------------------------------------------------------------ actions

    function record(uint256 which, uint256 units, uint256 count) external {
        uint256 jobId = _jobs[which % _jobs.length];
        IAuditCourt.Batch memory batch = nextBatch(jobId);
        batch.units = uint64(bound(units, 1, 20));
        batch.count = uint32(bound(count, 1, 3));
        IJobEscrow.Job memory job_ = escrow.jobOf(jobId);
        if (job_.closed || job_.free < 20 * uint256(PRICE) + FEE) return;
        record(batch);
        Entry storage entry = _entries.push();
        (entry.batchId, entry.batch) = (court.hashBatch(batch), abi.encode(batch));
    }

    /// @notice Takes a batch one phase further, everybody due acting or not as `random` has it.
    function advance(uint256 which, uint256 random) external {
        if (_entries.length == 0) return;
        Entry storage entry = _entries[which % _entries.length];
        IAuditCourt.Phase phase = court.auditOf(entry.batchId).phase;
        if (phase == IAuditCourt.Phase.RECORDED) _draw(entry, random);
        else if (phase == IAuditCourt.Phase.COMMIT) _commit(entry, random);
        else if (phase == IAuditCourt.Phase.DISCLOSE) _disclose(entry, random);
        else if (phase == IAuditCourt.Phase.REVEAL) _reveal(entry, random);
        else if (phase == IAuditCourt.Phase.TALLY) _finalize(entry);
        else if (phase == IAuditCourt.Phase.DECIDED) _afterDecision(entry, random);
        else _afterSettlement(entry);
    }

    function topUp(uint256 which, uint256 amount) external {
        uint256 jobId = _jobs[which % _jobs.length];
        if (escrow.jobOf(jobId).closed) return;
        amount = bound(amount, 1, 500e18);
        vm.prank(requester);
        escrow.topUp(jobId, amount);
        deposited += amount;
    }

    function close(uint256 which, uint256 random) external {
        uint256 jobId = _jobs[which % _jobs.length];
        if (random % 8 != 0 || escrow.jobOf(jobId).closed) return;
        vm.prank(requester);
        escrow.close(jobId);
    }

    function withdraw(uint256 who) external {
        address account = accounts()[who % accounts().length];
        if (escrow.creditOf(account) == 0) return;
        vm.prank(account);
        withdrawn += escrow.withdraw();
    }

    /// @notice Verifiers come and go while rounds are running.
    function moveStake(uint256 who, uint256 random) external {
        address verifier = verifiers[who % verifiers.length];
        if (random % 2 == 0 && vault.stakeOf(verifier).active < STAKE) {
            stake(verifier, STAKE);
        } else if (vault.isMember(verifier) && who % verifiers.length > 20) {
            vm.prank(verifier);
            vault.leaveCommittee();
        }
    }

    /// @notice From wherever everything stands, time and passers-by alone bring each batch to its end.
    function finishEverything(uint256 random) external {
        if (random % 16 != 0) return;
        for (uint256 i = 0; i < _entries.length; ++i) {
            _finish(_entries[i]);
        }
        for (uint256 i = 0; i < _jobs.length; ++i) {
            vm.assertEq(escrow.jobOf(_jobs[i]).reserved, 0, "a requester's money is frozen");
        }
        vm.assertEq(vault.stakeOf(contributor).locked, 0, "a contributor's stake is frozen");
    }

    // ------------------------------------------------------------------ books

    function accounts() public view returns (address[] memory list) {
        list = new address[](verifiers.length + 3);
        (list[0], list[1], list[verifiers.length + 2]) = (requester, contributor, address(oracle));
        for (uint256 i = 0; i < verifiers.length; ++i) {
            list[i + 2] = verifiers[i];
        }
    }

    /// @notice Invariant 1: tokens in = free + reserved + pots + credit + withdrawn; and the escrow holds what it owes.
    function checkConservation() internal view {
        uint256 owed;
        for (uint256 i = 0; i < _jobs.length; ++i) {
            IJobEscrow.Job memory job_ = escrow.jobOf(_jobs[i]);
            owed += job_.free + job_.reserved;
        }
        for (uint256 i = 0; i < _entries.length; ++i) {
            owed += escrow.potOf(_entries[i].batchId).left;
        }
        address[] memory list = accounts();
        for (uint256 i = 0; i < list.length; ++i) {
            owed += escrow.creditOf(list[i]);
        }
        vm.assertEq(owed + withdrawn, deposited, "tokens in");
        vm.assertEq(token.balanceOf(address(escrow)), owed, "held");
    }

    /// @notice Invariant 2: what is reserved and locked is what the open batches need, to the last unit.
    function checkReservations() internal view {
        uint256 locked;
        uint256[] memory reserved = new uint256[](_jobs.length + 1);
        for (uint256 i = 0; i < _entries.length; ++i) {
            IAuditCourt.Audit memory audit = court.auditOf(_entries[i].batchId);
            if (audit.phase == IAuditCourt.Phase.SETTLED) continue;
            IAuditCourt.Batch memory batch = abi.decode(_entries[i].batch, (IAuditCourt.Batch));
            (IJobEscrow.Terms memory terms_,) = escrow.termsOf(batch.jobId);
            locked += batch.units * uint256(terms_.slashPerUnit);
            reserved[batch.jobId] += batch.units * uint256(terms_.price);
            bool feeUnspent = audit.outcome == IAuditCourt.Outcome.NONE
                || audit.outcome == IAuditCourt.Outcome.UNSAMPLED || audit.outcome == IAuditCourt.Outcome.REFUNDED;
            if (feeUnspent) reserved[batch.jobId] += terms_.auditFee;
            if (audit.appeals > 0 && audit.phase < IAuditCourt.Phase.DECIDED) {
                uint256 size = terms_.committeeSize;
                uint256 larger = audit.appeals == 1 ? 2 * size + 1 : 4 * size + 3;
                reserved[batch.jobId] += (uint256(terms_.auditFee) * larger + size - 1) / size;
            }
        }
        for (uint256 i = 0; i < _jobs.length; ++i) {
            vm.assertEq(escrow.jobOf(_jobs[i]).reserved, reserved[_jobs[i]], "reserved");
        }
        vm.assertEq(vault.stakeOf(contributor).locked, locked, "locked");
    }

    /// @notice Invariant 3: a settled batch stays as it was settled, and does not settle again.
    function checkFinality() internal {
        for (uint256 i = 0; i < _entries.length; ++i) {
            Entry storage entry = _entries[i];
            if (entry.settledAs == IAuditCourt.Outcome.NONE) continue;
            IAuditCourt.Audit memory audit = court.auditOf(entry.batchId);
            vm.assertEq(uint256(audit.phase), uint256(IAuditCourt.Phase.SETTLED), "phase");
            vm.assertEq(uint256(audit.outcome), uint256(entry.settledAs), "outcome");
            bytes memory call = abi.encodeCall(IAuditCourt.settle, (abi.decode(entry.batch, (IAuditCourt.Batch))));
            (bool again,) = address(court).call(call);
            vm.assertTrue(!again, "settled twice");
        }
    }

    // ------------------------------------------------------------------ one phase

    function _draw(Entry storage entry, uint256 random) private {
        // Now and then nobody draws until the seed is out of reach.
        uint256 wait = random % 8 == 0 ? 2 * PERIOD : random % 9 == 0 ? 10_000 : 1;
        uint256 seedBlock = court.auditOf(entry.batchId).seedBlock;
        if (vm.getBlockNumber() < seedBlock + wait) vm.roll(seedBlock + wait);
        IAuditCourt.Batch memory batch = abi.decode(entry.batch, (IAuditCourt.Batch));
        vm.recordLogs();
        court.draw(batch);
        if (court.auditOf(entry.batchId).phase != IAuditCourt.Phase.COMMIT) return;
        Round memory round;
        (round.seed,, round.committee,) =
            abi.decode(vm.getRecordedLogs()[0].data, (bytes32, bytes32, address[], uint256));
        round.number = court.auditOf(entry.batchId).round;
        entry.round = abi.encode(round);
        entry.plays = abi.encode(honest(round, 1, 1));
        entry.disclosed = new uint256[](0);
        _silence(entry);
    }

    function _commit(Entry storage entry, uint256 random) private {
        Round memory round = abi.decode(entry.round, (Round));
        Play[] memory plays = abi.decode(entry.plays, (Play[]));
        bytes32 root = Leaf.share(entry.batchId, contributor, 1e18);
        uint8 verdict = random % 4 == 0 ? INCONSISTENT : random % 5 == 0 ? UNAVAILABLE : CONSISTENT;
        bool split = random % 6 == 0;
        for (uint256 i = 0; i < plays.length; ++i) {
            uint256 own = uint256(keccak256(abi.encode(random, i)));
            plays[i].commits = own % 16 != 0;
            plays[i].given.verdicts[0] = verdict;
            plays[i].given.payload = own % 32 == 1 ? bytes32(own) : root;
            if (split || own % 16 == 2) plays[i].given.digests[0] = own;
            if (plays[i].commits) commit(entry.batchId, round, i, plays[i].given);
        }
        entry.plays = abi.encode(plays);
        awaitPhase(entry.batchId, IAuditCourt.Phase.DISCLOSE);
    }

    function _disclose(Entry storage entry, uint256 random) private {
        if (random % 8 != 0) {
            entry.disclosed = new uint256[](1);
            if (random % 3 == 0) entry.disclosed[0] = flipped(0, bound(random, 0, 256));
            disclose(abi.decode(entry.batch, (IAuditCourt.Batch)), entry.disclosed);
        }
        awaitPhase(entry.batchId, IAuditCourt.Phase.REVEAL);
    }

    function _reveal(Entry storage entry, uint256 random) private {
        Round memory round = abi.decode(entry.round, (Round));
        Play[] memory plays = abi.decode(entry.plays, (Play[]));
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].reveals = plays[i].commits && uint256(keccak256(abi.encode(random, i))) % 16 != 0;
            plays[i].given.opened = entry.disclosed.length;
            if (plays[i].reveals) reveal(entry.batchId, round, i, plays[i].given);
        }
        entry.plays = abi.encode(plays);
        awaitPhase(entry.batchId, IAuditCourt.Phase.TALLY);
    }

    function _finalize(Entry storage entry) private {
        Round memory round = abi.decode(entry.round, (Round));
        court.finalize(
            abi.decode(entry.batch, (IAuditCourt.Batch)),
            round.seed,
            round.committee,
            revealsOf(abi.decode(entry.plays, (Play[]))),
            entry.disclosed
        );
    }

    function _afterDecision(Entry storage entry, uint256 random) private {
        IAuditCourt.Batch memory batch = abi.decode(entry.batch, (IAuditCourt.Batch));
        IAuditCourt.Audit memory audit = court.auditOf(entry.batchId);
        bool fraud = audit.outcome == IAuditCourt.Outcome.FRAUD;
        bool appealable = fraud || audit.outcome == IAuditCourt.Outcome.PASS;
        bool inTime = vm.getBlockTimestamp() < uint256(audit.since) + APPEAL;
        if (random % 3 == 0 && appealable && inTime && audit.appeals < 2 && audit.committeeSize < 23) {
            deposited += court.appealBond(batch);
            vm.prank(fraud ? contributor : requester);
            court.appeal(batch);
            return;
        }
        vm.warp(vm.getBlockTimestamp() + APPEAL);
        court.settle(batch);
        entry.settledAs = audit.outcome;
    }

    /// @dev Shares of a pot: one leaf, for the contributor.
    function _afterSettlement(Entry storage entry) private {
        bool claimable = escrow.potOf(entry.batchId).left >= 1e18
            && escrow.potOf(entry.batchId).root == Leaf.share(entry.batchId, contributor, 1e18);
        if (!claimable || escrow.shareOf(entry.batchId, contributor).amount != 0) return;
        escrow.claim(entry.batchId, contributor, 1e18, new bytes32[](0));
        court.endorse(entry.batchId, contributor);
    }

    /// @dev Nobody has acted in the round yet.
    function _silence(Entry storage entry) private {
        Play[] memory plays = abi.decode(entry.plays, (Play[]));
        for (uint256 i = 0; i < plays.length; ++i) {
            (plays[i].commits, plays[i].reveals) = (false, false);
        }
        entry.plays = abi.encode(plays);
    }

    function _finish(Entry storage entry) private {
        while (true) {
            IAuditCourt.Phase phase = court.auditOf(entry.batchId).phase;
            if (phase == IAuditCourt.Phase.SETTLED) return;
            if (phase == IAuditCourt.Phase.RECORDED) _draw(entry, 1);
            else if (phase < IAuditCourt.Phase.TALLY) awaitPhase(entry.batchId, IAuditCourt.Phase.TALLY);
            else if (phase == IAuditCourt.Phase.TALLY) _finalize(entry);
            else _afterDecision(entry, 1);
        }
    }
}
