// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {EscrowTest} from "./EscrowTest.sol";

/// What a committee's fees are divided into
/// ├── the network's part first, for the collector
/// ├── equal shares of the rest for the verifiers
/// └── and what is left over for the job
contract FeesTest is EscrowTest {
    function feeRate() internal pure override returns (uint16) {
        return 500;
    }

    function test_PayFees_TheNetworksPartComesFirst() external {
        uint256 jobId = open(100e18);
        reserve(jobId, 10);
        vm.prank(court);
        escrow.payFees(jobId, _two(), 5e18);
        vm.assertEq(escrow.creditOf(collector), 0.25e18, "a twentieth");
        vm.assertEq(escrow.creditOf(alice), 2.375e18, "alice");
        vm.assertEq(escrow.creditOf(bob), 2.375e18, "bob");
        assertJob(jobId, 85e18, 10e18);
        vm.prank(collector);
        escrow.withdraw();
        vm.assertEq(token.balanceOf(collector), 0.25e18, "withdrawn");
    }

    function testFuzz_PayFees_DividesAllOfThePool(uint256 pool) external {
        uint256 jobId = open(100e18);
        reserve(jobId, 10);
        pool = bound(pool, 0, 15e18);
        vm.prank(court);
        escrow.payFees(jobId, _two(), pool);
        IJobEscrow.Job memory job = escrow.jobOf(jobId);
        uint256 paid = escrow.creditOf(collector) + escrow.creditOf(alice) + escrow.creditOf(bob);
        vm.assertEq(paid + job.free + job.reserved, 100e18, "conserved");
        vm.assertTrue(job.free - 85e18 < 2, "at most what does not divide goes back");
    }

    function test_PayFees_WithoutVerifiers_ReturnsAll() external {
        uint256 jobId = open(100e18);
        reserve(jobId, 10);
        vm.prank(court);
        escrow.payFees(jobId, new address[](0), 5e18);
        assertJob(jobId, 90e18, 10e18);
    }

    function test_Constructor_RefusesARateAboveTheLimit() external {
        newEscrow(token, 2_000);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobEscrowInvalidFeeRate.selector, 2_001));
        newEscrow(token, 2_001);
    }

    function _two() private view returns (address[] memory verifiers) {
        verifiers = new address[](2);
        (verifiers[0], verifiers[1]) = (alice, bob);
    }
}
