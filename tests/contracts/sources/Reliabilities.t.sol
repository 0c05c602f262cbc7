// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {ISourceRegistry} from "../../../contracts/interfaces/ISourceRegistry.sol";
import {SourcesTest} from "./SourcesTest.sol";

/// Reliabilities
/// ├── are adopted from batches of the network's job that passed, each on top of the one before
/// ├── are stored by a proof under the adopted root
/// └── are nobody's to state: not the source's, not a stranger's, not by an old proof, not initially
contract Reliabilities is SourcesTest {
    bytes32 private constant BATCH = keccak256("batch");
    bytes32 private constant SHARES = keccak256("shares");
    uint32 private constant RELIABILITY = 830_000;
    uint256 private _source;

    function setUp() public override {
        super.setUp();
        _source = register();
    }

    function test_Adopt_TakesWhatTheAuditEndedIn() external {
        settle(job, BATCH, payload(BATCH, 0, _root(), SHARES));
        vm.expectEmit();
        emit ISourceRegistry.Adopted(BATCH, _root());
        vm.prank(stranger);
        registry.adopt(BATCH, _root(), SHARES);
        vm.assertEq(registry.reliabilities(), _root(), "root");
    }

    function test_Adopt_GoesWithAPayloadWithoutShares() external {
        settle(job, BATCH, payload(BATCH, 0, _root(), 0));
        registry.adopt(BATCH, _root(), 0);
        vm.assertEq(registry.reliabilities(), _root(), "root");
    }

    function test_CheckIn_StoresAReliability() external {
        _adopt();
        vm.expectEmit();
        emit ISourceRegistry.CheckedIn(_source, RELIABILITY);
        vm.prank(stranger);
        registry.checkIn(_source, RELIABILITY, proofBy(reliabilityLeaf(9, 100_000)));
        (uint32 reliability, uint48 since) = registry.reliabilityOf(_source);
        vm.assertEq(reliability, RELIABILITY, "reliability");
        vm.assertEq(since, vm.getBlockTimestamp(), "since");
    }

    /// First hole of the published contract: there a source signs the score that it wants.
    function test_Hole1_ASourceCannotStateItsOwnReliability() external {
        _adopt();
        bytes memory refusal = abi.encodeWithSelector(
            ISourceRegistry.SourceRegistryInvalidProof.selector, _source, 1_000_000
        );
        vm.startPrank(owner);
        vm.expectRevert(refusal);
        registry.checkIn(_source, 1_000_000, proofBy(reliabilityLeaf(9, 100_000)));
        vm.expectRevert(refusal);
        registry.checkIn(_source, 1_000_000, new bytes32[](0));
        // Neither is a root of its own adopted, in an own job's name or in none.
        bytes32 own = reliabilityLeaf(_source, 1_000_000);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAdoptable.selector, BATCH));
        registry.adopt(BATCH, own, SHARES);
        vm.stopPrank();
        (uint256 ownJob, bytes32 ownBatch) = (openJob(), keccak256("own batch"));
        settle(ownJob, ownBatch, payload(ownBatch, _root(), own, 0));
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAdoptable.selector, ownBatch));
        registry.adopt(ownBatch, own, 0);
    }

    /// Second hole: there a signature for a score is good for ever.
    function test_Hole2_WhatWasAdoptedBeforeCannotBeReplayed() external {
        _adopt();
        bytes32 second = keccak256("second batch");
        bytes32 worse = pair(reliabilityLeaf(_source, 200_000), reliabilityLeaf(9, 100_000));
        settle(job, second, payload(second, _root(), worse, SHARES));
        registry.adopt(second, worse, SHARES);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAdoptable.selector, BATCH));
        registry.adopt(BATCH, _root(), SHARES);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAdoptable.selector, second));
        registry.adopt(second, worse, SHARES);
        vm.expectRevert(
            abi.encodeWithSelector(ISourceRegistry.SourceRegistryInvalidProof.selector, _source, RELIABILITY)
        );
        registry.checkIn(_source, RELIABILITY, proofBy(reliabilityLeaf(9, 100_000)));
    }

    /// Third hole: there anyone gives any source its first score.
    function test_Hole3_NobodyChoosesAnInitialReliability() external {
        (uint32 reliability, uint48 since) = registry.reliabilityOf(_source);
        vm.assertEq(reliability, 0, "reliability");
        vm.assertEq(since, 0, "since");
        vm.expectRevert(
            abi.encodeWithSelector(ISourceRegistry.SourceRegistryInvalidProof.selector, _source, RELIABILITY)
        );
        registry.checkIn(_source, RELIABILITY, new bytes32[](0));
    }

    /// A share is no reliabilities: whoever is paid cannot have its share taken for a root.
    function test_Threat11_Adopt_RefusesAShare() external {
        bytes32 share = keccak256(bytes.concat(keccak256(abi.encode(BATCH, owner, uint256(1e18)))));
        settle(job, BATCH, pair(share, SHARES));
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAdoptable.selector, BATCH));
        registry.adopt(BATCH, bytes32(uint256(1e18)), SHARES);
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.JobEscrowInvalidProof.selector, BATCH, address(uint160(uint256(_root()))), 1
            )
        );
        escrow.claim(BATCH, address(uint160(uint256(_root()))), 1, proofBy(SHARES));
    }

    function test_Adopt_RefusesAFork() external {
        _adopt();
        bytes32 fork = keccak256("fork");
        bytes32 root = keccak256("from the same start");
        settle(job, fork, payload(fork, 0, root, SHARES));
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAdoptable.selector, fork));
        registry.adopt(fork, root, SHARES);
    }

    function test_ReliabilityOf_EndsWithTheSource() external {
        _adopt();
        registry.checkIn(_source, RELIABILITY, proofBy(reliabilityLeaf(9, 100_000)));
        vm.prank(owner);
        registry.retire(_source);
        (uint32 reliability,) = registry.reliabilityOf(_source);
        vm.assertEq(reliability, 0, "reliability");
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotActive.selector, _source));
        registry.checkIn(_source, RELIABILITY, proofBy(reliabilityLeaf(9, 100_000)));
    }

    /// The next job's audits go on from what was adopted.
    function test_SetJob_ChangesWhoseAuditsCount() external {
        _adopt();
        uint256 next = openJob();
        vm.expectEmit();
        emit ISourceRegistry.JobSet(next);
        registry.setJob(next);
        bytes32 second = keccak256("second batch");
        settle(next, second, payload(second, _root(), keccak256("next"), 0));
        registry.adopt(second, keccak256("next"), 0);
        vm.assertEq(registry.reliabilities(), keccak256("next"), "root");
    }

    function _root() private view returns (bytes32) {
        return pair(reliabilityLeaf(_source, RELIABILITY), reliabilityLeaf(9, 100_000));
    }

    function _adopt() private {
        settle(job, BATCH, payload(BATCH, 0, _root(), SHARES));
        registry.adopt(BATCH, _root(), SHARES);
    }
}
