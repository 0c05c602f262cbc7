// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ISourceRegistry} from "../../../contracts/interfaces/ISourceRegistry.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {SourcesTest} from "./SourcesTest.sol";

/// A source
/// ├── is registered with a stake of its own, a corpus and an endpoint
/// ├── changes its corpus by versions, of which none is forgotten
/// ├── is retired for good; its stake unbonds like any other
/// └── is changed by its owner only
contract SourcesAreRegistered is SourcesTest {
    function test_Register_KeepsWhatWasCommittedTo() external {
        vm.expectEmit();
        emit ISourceRegistry.Registered(1, owner, STAKE);
        vm.expectEmit();
        emit ISourceRegistry.CorpusUpdated(1, 1, corpus());
        vm.expectEmit();
        emit ISourceRegistry.EndpointSet(1, ENDPOINT);
        uint256 sourceId = register();
        ISourceRegistry.Source memory source = registry.sourceOf(sourceId);
        vm.assertEq(source.owner, owner, "owner");
        vm.assertEq(source.version, 1, "version");
        vm.assertTrue(source.status == ISourceRegistry.Status.ACTIVE, "status");
        ISourceRegistry.Corpus memory found = registry.corpusOf(sourceId, 1);
        vm.assertEq(found.root, corpus().root, "root");
        vm.assertEq(found.index, corpus().index, "index");
        vm.assertEq(found.passages, 2, "passages");
    }

    /// One stake is not behind two sources.
    function test_Threat6_Register_NeedsAStakeForEachSource() external {
        register();
        register();
        vm.assertEq(vault.stakeOf(owner).locked, 2 * STAKE, "locked");
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, owner, 0, STAKE)
        );
        register();
    }

    function test_Register_RefusesAnEmptyCorpus() external {
        ISourceRegistry.Corpus memory empty = corpus();
        empty.passages = 0;
        vm.prank(owner);
        vm.expectRevert(ISourceRegistry.SourceRegistryEmptyCorpus.selector);
        registry.register(empty, ENDPOINT);
        (empty.passages, empty.root) = (2, 0);
        vm.prank(owner);
        vm.expectRevert(ISourceRegistry.SourceRegistryEmptyCorpus.selector);
        registry.register(empty, ENDPOINT);
    }

    function test_Endpoint_IsAtMostSoLong() external {
        uint256 sourceId = register();
        string memory longest = string(new bytes(256));
        vm.prank(owner);
        vm.expectEmit();
        emit ISourceRegistry.EndpointSet(sourceId, longest);
        registry.setEndpoint(sourceId, longest);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryEndpointTooLong.selector, 257, 256));
        registry.setEndpoint(sourceId, string(new bytes(257)));
    }

    function test_UpdateCorpus_KeepsEarlierVersions() external {
        uint256 sourceId = register();
        ISourceRegistry.Corpus memory second = ISourceRegistry.Corpus(leafAt(7), keccak256("index 2"), 1);
        vm.prank(owner);
        registry.updateCorpus(sourceId, second);
        vm.assertEq(registry.sourceOf(sourceId).version, 2, "version");
        vm.assertEq(registry.corpusOf(sourceId, 1).root, corpus().root, "first");
        vm.assertEq(registry.corpusOf(sourceId, 2).root, second.root, "second");
    }

    function test_Retire_FreesTheStakeForGood() external {
        uint256 sourceId = register();
        vm.startPrank(owner);
        registry.retire(sourceId);
        vm.assertEq(vault.stakeOf(owner).locked, 0, "locked");
        bytes memory refusal =
            abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotActive.selector, sourceId);
        vm.expectRevert(refusal);
        registry.retire(sourceId);
        vm.expectRevert(refusal);
        registry.updateCorpus(sourceId, corpus());
        vm.expectRevert(refusal);
        registry.setEndpoint(sourceId, ENDPOINT);
    }

    function testFuzz_Threat19_OwnersCalls_RefuseStrangers(address caller) external {
        vm.assume(caller != owner);
        uint256 sourceId = register();
        bytes memory refusal =
            abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotOwner.selector, sourceId, caller);
        vm.startPrank(caller);
        vm.expectRevert(refusal);
        registry.retire(sourceId);
        vm.expectRevert(refusal);
        registry.updateCorpus(sourceId, corpus());
        vm.expectRevert(refusal);
        registry.setEndpoint(sourceId, ENDPOINT);
    }

    function testFuzz_Threat19_SetJob_RefusesStrangers(address caller) external {
        vm.assume(caller != address(this) && caller != address(manager));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
        registry.setJob(7);
    }

    function test_UnknownSource_IsNamed() external {
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryUnknownSource.selector, 1));
        registry.sourceOf(1);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryUnknownSource.selector, 1));
        registry.reliabilityOf(1);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryUnknownSource.selector, 1));
        registry.checkIn(1, 1, new bytes32[](0));
    }
}
