// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IPermitToken} from "../Interfaces.sol";
import {Test} from "../Test.sol";

/// @notice An escrow whose court is a plain account.
abstract contract EscrowTest is Test {
    uint48 internal constant CLAIM_WINDOW = 30 days;
    uint16 internal constant DETECTION = 9_000;

    IPermitToken internal token;
    AccessManager internal manager;
    IJobEscrow internal escrow;
    address internal court = makeAddr("court");
    address internal collector = makeAddr("collector");
    address internal requester = makeAddr("requester");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");

    function setUp() public virtual {
        vm.warp(1_000_000);
        token = IPermitToken(deployed("MeritToken", abi.encode(address(this), type(uint128).max)));
        manager = AccessManager(deployed("AccessManager", abi.encode(address(this))));
        escrow = newEscrow(token);
        fund(requester, 1e30);
    }

    function newEscrow(IERC20 asset) internal returns (IJobEscrow) {
        return newEscrow(asset, feeRate());
    }

    function newEscrow(IERC20 asset, uint16 feeRate_) internal returns (IJobEscrow) {
        bytes memory arguments =
            abi.encode(asset, court, collector, address(manager), CLAIM_WINDOW, DETECTION, feeRate_);
        return IJobEscrow(deployed("JobEscrow", arguments));
    }

    /// @dev None here, so that round amounts stay round; `Fees.t.sol` has one.
    function feeRate() internal pure virtual returns (uint16) {
        return 0;
    }

    function fund(address account, uint256 amount) internal {
        require(token.transfer(account, amount), "transfer");
        vm.prank(account);
        token.approve(address(escrow), type(uint256).max);
    }

    function terms() internal view returns (IJobEscrow.Terms memory) {
        return IJobEscrow.Terms({
            kind: IJobEscrow.Kind.INFERENCE,
            price: 1e18,
            auditFee: 5e18,
            slashPerUnit: 20e18,
            auditRateFloor: 1_000,
            auditRateCeiling: 5_000,
            committeeSize: 5,
            samples: 4,
            words: 1,
            tau: 60,
            soft: 60,
            hard: 90,
            expiry: uint48(vm.getBlockTimestamp() + 10 days),
            specification: keccak256("specification")
        });
    }

    function open(uint256 amount) internal returns (uint256) {
        vm.prank(requester);
        return escrow.open(terms(), amount);
    }

    function reserve(uint256 jobId, uint256 units) internal {
        vm.prank(court);
        escrow.reserve(jobId, units);
    }

    function assertJob(uint256 jobId, uint256 free, uint256 reserved) internal view {
        IJobEscrow.Job memory job = escrow.jobOf(jobId);
        vm.assertEq(job.free, free, "free");
        vm.assertEq(job.reserved, reserved, "reserved");
    }
}
