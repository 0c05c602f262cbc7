// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {Economics} from "../../../contracts/libraries/Economics.sol";
import {Leaf} from "../../../contracts/libraries/Leaf.sol";
import {EscrowTest} from "./EscrowTest.sol";

/// Jobs, pots and credit
/// ├── open: with sound terms, that leave no cheat profitable; pausable
/// ├── topUp, close, expiry
/// ├── court: reserve, settle, fees; never more than what is reserved
/// ├── pots: claim once, with a proof, within what is left; the rest goes back after the window
/// └── withdraw: the whole credit, once
contract JobEscrowTest is EscrowTest {
    // ------------------------------------------------------------------ open

    function test_Open_NumbersJobsAndKeepsTheMoney() external {
        vm.assertEq(open(100e18), 1, "first");
        vm.assertEq(open(7e18), 2, "second");
        assertJob(1, 100e18, 0);
        assertJob(2, 7e18, 0);
        vm.assertEq(token.balanceOf(address(escrow)), 107e18, "tokens");
    }

    function test_Open_RefusesEachTermOutOfRange() external {
        IJobEscrow.Terms memory bad = terms();
        bad.price = 0;
        _refuseTerms(bad, "price");
        bad = terms();
        bad.auditFee = 0;
        _refuseTerms(bad, "auditFee");
        bad = terms();
        bad.auditRateFloor = 0;
        _refuseTerms(bad, "auditRateFloor");
        bad = terms();
        bad.auditRateCeiling = 999;
        _refuseTerms(bad, "auditRateCeiling");
        bad.auditRateCeiling = 10_001;
        _refuseTerms(bad, "auditRateCeiling");
        bad = terms();
        bad.committeeSize = 2;
        _refuseTerms(bad, "committeeSize");
        bad.committeeSize = 22;
        _refuseTerms(bad, "committeeSize");
        bad = terms();
        bad.samples = 0;
        _refuseTerms(bad, "samples");
        bad.samples = 17;
        _refuseTerms(bad, "samples");
        bad = terms();
        bad.words = 0;
        _refuseTerms(bad, "words");
        bad.words = 5;
        _refuseTerms(bad, "words");
        (bad.words, bad.samples) = (4, 7);
        _refuseTerms(bad, "words");
        bad = terms();
        bad.soft = bad.hard;
        _refuseTerms(bad, "soft");
        bad = terms();
        bad.hard = 256;
        _refuseTerms(bad, "hard");
        bad = terms();
        bad.tau = 91;
        _refuseTerms(bad, "tau");
        bad = terms();
        bad.expiry = uint48(vm.getBlockTimestamp());
        _refuseTerms(bad, "expiry");
        bad = terms();
        bad.specification = 0;
        _refuseTerms(bad, "specification");
    }

    function test_Open_AcceptsTheLimits() external {
        IJobEscrow.Terms memory widest = terms();
        (widest.auditRateCeiling, widest.committeeSize, widest.samples, widest.words) = (10_000, 21, 6, 4);
        (widest.soft, widest.hard, widest.tau) = (1_022, 1_023, 1_023);
        widest.expiry = uint48(vm.getBlockTimestamp() + 1);
        vm.prank(requester);
        escrow.open(widest, 1);
        IJobEscrow.Terms memory narrowest = terms();
        (narrowest.committeeSize, narrowest.samples, narrowest.tau, narrowest.soft, narrowest.hard) = (3, 1, 0, 0, 1);
        vm.prank(requester);
        escrow.open(narrowest, 1);
    }

    /// A tenth of the work is audited and nine tenths of the cheats that are looked at are seen: nine percent.
    function test_Open_RefusesTermsThatLeaveCheatingProfitable() external {
        IJobEscrow.Terms memory edge = terms();
        edge.slashPerUnit = 10.111111111111111112e18; // price / (slash + price) = 0.09, rounded up
        vm.prank(requester);
        escrow.open(edge, 1);
        edge.slashPerUnit = 10.11e18;
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowCheatingPays.selector, 900, 901));
        escrow.open(edge, 1);
    }

    /// Without a committee there is no allocation: SHARED batches are all audited, and need a smaller slash.
    function test_Open_CountsEverySharedBatchAsAudited() external {
        IJobEscrow.Terms memory shared = terms();
        shared.slashPerUnit = 1e18;
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowCheatingPays.selector, 900, 5_000));
        escrow.open(shared, 1);
        shared.kind = IJobEscrow.Kind.TRAINING;
        vm.prank(requester);
        escrow.open(shared, 1);
    }

    function testFuzz_Economics_RateLiesBetweenFloorAndCeiling(uint256 floor, uint256 ceiling, uint256 reputation)
        external
        pure
    {
        ceiling = bound(ceiling, 1, 10_000);
        floor = bound(floor, 1, ceiling);
        uint256 rate = Economics.auditRate(floor, ceiling, reputation);
        vm.assertTrue(rate >= floor && rate <= ceiling, "range");
        if (reputation >= 1e18) vm.assertEq(rate, floor, "full reputation");
    }

    function test_Open_WithPermit() external {
        (address owner, uint256 key) = makeAddrAndKey("signer");
        require(token.transfer(owner, 10e18), "transfer");
        bytes32 digest = _permitDigest(owner, 10e18);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        uint256 state = vm.snapshotState();
        vm.prank(owner);
        escrow.openWithPermit(terms(), 10e18, type(uint256).max, v, r, s);
        assertJob(1, 10e18, 0);
        vm.revertToState(state);
        // Somebody sent the permit first.
        token.permit(owner, address(escrow), 10e18, type(uint256).max, v, r, s);
        vm.prank(owner);
        escrow.openWithPermit(terms(), 10e18, type(uint256).max, v, r, s);
        assertJob(1, 10e18, 0);
    }

    function test_Pause_StopsNewJobsAndNothingElse() external {
        uint256 jobId = open(100e18);
        reserve(jobId, 10);
        escrow.pause();
        vm.prank(requester);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        escrow.open(terms(), 1);
        vm.prank(requester);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        escrow.openWithPermit(terms(), 1, 0, 0, 0, 0);

        vm.startPrank(court);
        escrow.settle(jobId, alice, 5e18, 4e18);
        escrow.payFees(jobId, new address[](0), 1e18);
        escrow.fillPot(jobId, "batch", Leaf.share("batch", bob, 5e18), 5e18);
        vm.stopPrank();
        escrow.claim("batch", bob, 5e18, new bytes32[](0));
        vm.prank(alice);
        escrow.withdraw();
        vm.prank(requester);
        escrow.topUp(jobId, 1e18);
        vm.prank(requester);
        escrow.close(jobId);
        escrow.unpause();
        open(1);
    }

    // ------------------------------------------------------------------ top up, close

    function test_TopUp_ByAnyone() external {
        uint256 jobId = open(1e18);
        fund(alice, 5e18);
        vm.prank(alice);
        escrow.topUp(jobId, 5e18);
        assertJob(jobId, 6e18, 0);
        vm.prank(alice);
        vm.expectRevert(IJobEscrow.JobEscrowZeroAmount.selector);
        escrow.topUp(jobId, 0);
    }

    /// A job that could hold more than 96 bits could not take back what a settlement returns.
    function test_TopUp_NeverBeyondWhatASettlementCanReturn() external {
        uint256 jobId = open(type(uint96).max);
        reserve(jobId, 10);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowAmountTooLarge.selector, 1));
        escrow.topUp(jobId, 1);
        vm.prank(court);
        escrow.settle(jobId, alice, 0, 15e18);
        assertJob(jobId, type(uint96).max, 0);
    }

    function test_Close_ReturnsWhatIsNotReserved() external {
        uint256 jobId = open(100e18);
        reserve(jobId, 10);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowNotOwner.selector, jobId, alice));
        escrow.close(jobId);
        vm.prank(requester);
        escrow.close(jobId);
        assertJob(jobId, 0, 15e18);
        vm.assertEq(escrow.creditOf(requester), 85e18, "credit");

        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowClosed.selector, jobId));
        escrow.close(jobId);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowClosed.selector, jobId));
        escrow.topUp(jobId, 1);
        vm.prank(court);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowClosed.selector, jobId));
        escrow.reserve(jobId, 1);
        // What a settlement returns now goes to the owner.
        vm.prank(court);
        escrow.settle(jobId, alice, 5e18, 10e18);
        vm.assertEq(escrow.creditOf(requester), 95e18, "credit");
    }

    function test_Close_ByAnyoneFromTheExpiryOn() external {
        uint256 jobId = open(10e18);
        uint48 expiry = escrow.jobOf(jobId).terms.expiry;
        vm.warp(expiry - 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowNotOwner.selector, jobId, alice));
        escrow.close(jobId);
        vm.warp(expiry);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowExpired.selector, jobId, expiry));
        escrow.topUp(jobId, 1);
        vm.prank(alice);
        escrow.close(jobId);
        vm.assertEq(escrow.creditOf(requester), 10e18, "to the owner");
    }

    // ------------------------------------------------------------------ court

    function test_Threat19_CourtCalls_RefuseStrangers() external {
        uint256 jobId = open(100e18);
        bytes[6] memory calls = [
            abi.encodeCall(IJobEscrow.reserve, (jobId, 1)),
            abi.encodeCall(IJobEscrow.postBond, (jobId, requester, 1)),
            abi.encodeCall(IJobEscrow.payFees, (jobId, new address[](0), 0)),
            abi.encodeCall(IJobEscrow.settle, (jobId, alice, 0, 0)),
            abi.encodeCall(IJobEscrow.fillPot, (jobId, "batch", 0, 0)),
            abi.encodeCall(IJobEscrow.endorse, ("batch", alice))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(alice);
            (bool success, bytes memory reason) = address(escrow).call(calls[i]);
            vm.assertTrue(!success, "refused");
            vm.assertEq(
                reason, abi.encodeWithSelector(IJobEscrow.JobEscrowUnauthorized.selector, alice), "reason"
            );
        }
    }

    function test_Threat19_GovernanceCalls_RefuseStrangers() external {
        bytes[3] memory calls = [
            abi.encodeCall(IJobEscrow.setDetection, (1)),
            abi.encodeCall(IJobEscrow.pause, ()),
            abi.encodeCall(IJobEscrow.unpause, ())
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(alice);
            (bool success, bytes memory reason) = address(escrow).call(calls[i]);
            vm.assertTrue(!success, "refused");
            vm.assertEq(
                reason,
                abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice),
                "reason"
            );
        }
        escrow.setDetection(5_000);
        vm.assertEq(escrow.detection(), 5_000, "detection");
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowInvalidDetection.selector, 0));
        escrow.setDetection(0);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowInvalidDetection.selector, 10_001));
        escrow.setDetection(10_001);
    }

    /// No mistake of the court's can reach another job's money.
    function test_Court_NeverMoreThanIsReserved() external {
        uint256 jobId = open(100e18);
        open(1_000e18);
        reserve(jobId, 10);
        bytes memory reason =
            abi.encodeWithSelector(IJobEscrow.JobEscrowInsufficientFunds.selector, jobId, 15e18, 15e18 + 1);
        vm.startPrank(court);
        vm.expectRevert(reason);
        escrow.settle(jobId, alice, 15e18, 1);
        vm.expectRevert(reason);
        escrow.payFees(jobId, new address[](0), 15e18 + 1);
        vm.expectRevert(reason);
        escrow.fillPot(jobId, "batch", 0, 15e18 + 1);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ pots

    function test_Claim_PaysEachShareOnce() external {
        (bytes32[] memory toAlice, bytes32[] memory toBob) = _fillPot("batch", 3e18, 4e18, 10e18);
        escrow.claim("batch", alice, 3e18, toAlice);
        vm.assertEq(escrow.creditOf(alice), 3e18, "alice");
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowAlreadyClaimed.selector, bytes32("batch"), alice));
        escrow.claim("batch", alice, 3e18, toAlice);
        escrow.claim("batch", bob, 4e18, toBob);
        vm.assertEq(escrow.potOf("batch").left, 3e18, "left");
    }

    function test_Threat11_Claim_NeedsAProofOfItsOwn() external {
        (bytes32[] memory toAlice,) = _fillPot("batch", 3e18, 4e18, 10e18);
        _refuseClaim("batch", alice, 3e18 + 1, toAlice);
        _refuseClaim("batch", bob, 3e18, toAlice);
        _refuseClaim("other", alice, 3e18, toAlice);
        _refuseClaim("batch", alice, 3e18, new bytes32[](0));
        _refuseClaim("batch", alice, 0, toAlice);
        // The root itself, or the pair of leaves below it, is no leaf.
        bytes32[] memory longer = new bytes32[](2);
        (longer[0], longer[1]) = (toAlice[0], 0);
        _refuseClaim("batch", alice, 3e18, longer);
    }

    /// The root comes from a committee, and a committee can adopt one that promises more than there is.
    function test_Claim_NeverMoreThanIsLeft() external {
        (bytes32[] memory toAlice, bytes32[] memory toBob) = _fillPot("batch", 3e18, 4e18, 5e18);
        escrow.claim("batch", alice, 3e18, toAlice);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrowPotExhausted.selector, bytes32("batch"), 2e18, 4e18)
        );
        escrow.claim("batch", bob, 4e18, toBob);
    }

    function test_ClaimMany_OverSeveralBatches() external {
        bytes32[] memory batchIds = new bytes32[](2);
        uint256[] memory amounts = new uint256[](2);
        bytes32[][] memory proofs = new bytes32[][](2);
        for (uint256 i = 0; i < 2; ++i) {
            batchIds[i] = bytes32(i + 1);
            amounts[i] = (i + 1) * 1e18;
            (proofs[i],) = _fillPot(batchIds[i], amounts[i], 1e18, 10e18);
        }
        escrow.claimMany(batchIds, alice, amounts, proofs);
        vm.assertEq(escrow.creditOf(alice), 3e18, "credit");
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowTooManyClaims.selector, 65, 64));
        escrow.claimMany(new bytes32[](65), alice, new uint256[](65), new bytes32[][](65));
    }

    function test_ReturnPot_AfterTheClaimWindow() external {
        (bytes32[] memory toAlice, bytes32[] memory toBob) = _fillPot("batch", 3e18, 4e18, 10e18);
        escrow.claim("batch", alice, 3e18, toAlice);
        uint256 free = escrow.jobOf(1).free;
        uint48 until = escrow.potOf("batch").until;
        vm.warp(until - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrowClaimsStillOpen.selector, bytes32("batch"), until)
        );
        escrow.returnPot("batch");
        vm.warp(until);
        escrow.returnPot("batch");
        vm.assertEq(escrow.jobOf(1).free - free, 7e18, "returned");
        vm.expectRevert(IJobEscrow.JobEscrowZeroAmount.selector);
        escrow.returnPot("batch");
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrowPotExhausted.selector, bytes32("batch"), 0, 4e18)
        );
        escrow.claim("batch", bob, 4e18, toBob);
    }

    function test_Threat10_Endorse_OnceAndOnlyWhatWasClaimed() external {
        (bytes32[] memory toAlice,) = _fillPot("batch", 3e18, 4e18, 10e18);
        bytes memory nothing =
            abi.encodeWithSelector(IJobEscrow.JobEscrowNothingToEndorse.selector, bytes32("batch"), alice);
        vm.prank(court);
        vm.expectRevert(nothing);
        escrow.endorse("batch", alice);
        escrow.claim("batch", alice, 3e18, toAlice);
        vm.prank(court);
        (address owner, uint256 amount) = escrow.endorse("batch", alice);
        vm.assertEq(owner, requester, "owner");
        vm.assertEq(amount, 3e18, "amount");
        vm.prank(court);
        vm.expectRevert(nothing);
        escrow.endorse("batch", alice);
    }

    // ------------------------------------------------------------------ withdraw

    function test_Threat10_Withdraw_TheWholeCreditOnce() external {
        uint256 jobId = open(100e18);
        reserve(jobId, 10);
        vm.prank(court);
        escrow.settle(jobId, alice, 15e18, 0);
        vm.prank(alice);
        vm.assertEq(escrow.withdraw(), 15e18, "amount");
        vm.assertEq(token.balanceOf(alice), 15e18, "balance");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowNothingToWithdraw.selector, alice));
        escrow.withdraw();
    }

    /// Tokens that somebody sends by mistake change nothing.
    function test_Threat08_Donation_ChangesNothing() external {
        uint256 jobId = open(100e18);
        require(token.transfer(address(escrow), 55e18), "transfer");
        assertJob(jobId, 100e18, 0);
        vm.prank(requester);
        escrow.close(jobId);
        vm.assertEq(escrow.creditOf(requester), 100e18, "credit");
        assertJob(open(1e18), 1e18, 0);
    }

    // ------------------------------------------------------------------ helpers

    function _fillPot(bytes32 batchId, uint256 toAlice, uint256 toBob, uint256 amount)
        private
        returns (bytes32[] memory proofOfAlice, bytes32[] memory proofOfBob)
    {
        if (escrow.jobCount() == 0) open(1_000e18);
        reserve(1, amount / 1e18);
        (bytes32 left, bytes32 right) = (Leaf.share(batchId, alice, toAlice), Leaf.share(batchId, bob, toBob));
        (proofOfAlice, proofOfBob) = (new bytes32[](1), new bytes32[](1));
        (proofOfAlice[0], proofOfBob[0]) = (right, left);
        bytes32 root = keccak256(left < right ? bytes.concat(left, right) : bytes.concat(right, left));
        vm.prank(court);
        escrow.fillPot(1, batchId, root, amount);
    }

    function _refuseClaim(bytes32 batchId, address account, uint256 amount, bytes32[] memory proof) private {
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.JobEscrowInvalidProof.selector, batchId, account, amount)
        );
        escrow.claim(batchId, account, amount, proof);
    }

    function _refuseTerms(IJobEscrow.Terms memory bad, bytes32 field) private {
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowInvalidTerms.selector, field));
        escrow.open(bad, 1);
    }

    function _permitDigest(address owner, uint256 amount) private view returns (bytes32) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, owner, address(escrow), amount, token.nonces(owner), type(uint256).max));
        return keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
    }
}
