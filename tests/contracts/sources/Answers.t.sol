// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {ISourceRegistry} from "../../../contracts/interfaces/ISourceRegistry.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {SourcesTest} from "./SourcesTest.sol";

/// @notice An owner that is a contract.
contract ContractOwner is IERC1271 {
    bytes32 private _approved;

    function approve(bytes32 hash) external {
        _approved = hash;
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash == _approved ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// An answer
/// ├── with a passage outside the commitment costs the source its stake, half of it for who shows it
/// │   ├── whatever makes it foreign: text, place, proof, version
/// │   └── also after the source was retired, and once only
/// ├── with committed passages costs nothing
/// └── that the owner did not sign here, for this source, says nothing
contract AnswersAreBinding is SourcesTest {
    uint256 private _source;

    function setUp() public override {
        super.setUp();
        _source = register();
    }

    function test_Slash_TakesTheStakeOfAForeignAnswer() external {
        ISourceRegistry.Answer memory answer = answerWith(_source, 1, foreign());
        bytes memory signature = signed(answer);
        vm.prank(stranger);
        vm.expectEmit();
        emit ISourceRegistry.Slashed(_source, stranger, 1, keccak256("query"), STAKE);
        registry.slash(answer, 1, foreign(), signature);
        IStakeVault.Stake memory left = vault.stakeOf(owner);
        vm.assertEq(left.active, STAKE, "what is behind nothing stays");
        vm.assertEq(left.locked, 0, "locked");
        vm.assertEq(vault.stakeOf(stranger).credit, STAKE / 2, "bounty");
        (uint256 burned,) = vault.burned();
        vm.assertEq(burned, STAKE / 2, "burned at least the bounty");
        vm.assertTrue(registry.sourceOf(_source).status == ISourceRegistry.Status.SLASHED, "status");
    }

    function test_Slash_FindsAPlaceBeyondTheCorpus() external {
        // A tree may hold more leaves than passages were committed to.
        bytes32 hidden = keccak256(bytes.concat(keccak256(abi.encode(uint32(2), digestAt(2)))));
        vm.prank(owner);
        registry.updateCorpus(_source, ISourceRegistry.Corpus(pair(leafAt(0), hidden), keccak256("index"), 2));
        ISourceRegistry.Passage memory beyond = ISourceRegistry.Passage(2, digestAt(2), 1, proofBy(leafAt(0)));
        _slashes(answerWith(_source, 2, beyond), beyond);
    }

    function test_Slash_FindsAnotherPlace() external {
        ISourceRegistry.Passage memory moved = committed();
        moved.position = 1;
        _slashes(answerWith(_source, 1, moved), moved);
    }

    function test_Slash_FindsAVersionThatThereNeverWas() external {
        _slashes(answerWith(_source, 2, committed()), committed());
    }

    /// A leaf is hashed twice: an inner node, or the whole tree, is no passage.
    function test_Threat11_Slash_FindsAProofOfWrongDepth() external {
        ISourceRegistry.Passage memory longer = committed();
        longer.proof = new bytes32[](2);
        (longer.proof[0], longer.proof[1]) = (leafAt(1), leafAt(1));
        uint256 before = vm.snapshotState();
        _slashes(answerWith(_source, 1, longer), longer);
        vm.revertToState(before);
        ISourceRegistry.Passage memory shorter = committed();
        (shorter.digest, shorter.proof) = (corpus().root, new bytes32[](0));
        _slashes(answerWith(_source, 1, shorter), shorter);
    }

    function test_Slash_SparesCommittedPassages() external {
        ISourceRegistry.Answer memory answer = answerWith(_source, 1, foreign());
        bytes memory signature = signed(answer);
        vm.expectRevert(
            abi.encodeWithSelector(ISourceRegistry.SourceRegistryInsideCommitment.selector, _source, 0)
        );
        registry.slash(answer, 0, committed(), signature);
    }

    /// Which corpus an answer is from is part of it: a later version makes no earlier answer false.
    function test_Slash_SparesAnswersOfEarlierVersions() external {
        vm.prank(owner);
        registry.updateCorpus(_source, ISourceRegistry.Corpus(leafAt(7), keccak256("index"), 1));
        ISourceRegistry.Answer memory answer = answerWith(_source, 1, committed());
        bytes memory signature = signed(answer);
        vm.expectRevert(
            abi.encodeWithSelector(ISourceRegistry.SourceRegistryInsideCommitment.selector, _source, 0)
        );
        registry.slash(answer, 1, committed(), signature);
    }

    function test_Slash_ReachesRetiredSources() external {
        ISourceRegistry.Answer memory answer = answerWith(_source, 1, foreign());
        vm.startPrank(owner);
        registry.retire(_source);
        vault.beginUnbond(2 * STAKE);
        vm.stopPrank();
        _slashes(answer, foreign());
        vm.assertEq(vault.stakeOf(owner).unbonding, STAKE, "unbonding");
    }

    function test_Threat10_Slash_HappensOnce() external {
        ISourceRegistry.Answer memory answer = answerWith(_source, 1, foreign());
        _slashes(answer, foreign());
        bytes memory signature = signed(answer);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryAlreadySlashed.selector, _source));
        registry.slash(answer, 1, foreign(), signature);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotActive.selector, _source));
        registry.retire(_source);
    }

    /// Signed for another chain, registry, source or query, by another, or with the other root of the signature.
    function test_Threat14_Slash_NeedsTheOwnersSignatureOnThisAnswer() external {
        ISourceRegistry.Answer memory answer = answerWith(_source, 1, foreign());
        (, uint256 strangersKey) = makeAddrAndKey("stranger");
        _refuses(answer, 1, foreign(), signed(answer, strangersKey, block.chainid, address(registry)));
        _refuses(answer, 1, foreign(), signed(answer, ownerKey, block.chainid + 1, address(registry)));
        _refuses(answer, 1, foreign(), signed(answer, ownerKey, block.chainid, address(vault)));
        _refuses(answer, 1, foreign(), signed(answerWith(_source + 1, 1, foreign())));
        _refuses(answer, 1, foreign(), _malleable(signed(answer)));
        ISourceRegistry.Answer memory other = answerWith(_source, 1, foreign());
        other.query = keccak256("another query");
        _refuses(answer, 1, foreign(), signed(other));
        // A passage that the answer does not have, or has elsewhere.
        _refuses(answer, 0, foreign(), signed(answer));
        _refuses(answer, 2, foreign(), signed(answer));
        ISourceRegistry.Passage memory changed = foreign();
        changed.relevance += 1;
        _refuses(answer, 1, changed, signed(answer));
        // The proof is the source's own: nobody breaks it to have the source slashed.
        ISourceRegistry.Passage memory broken = committed();
        broken.proof[0] = 0;
        _refuses(answer, 0, broken, signed(answer));
    }

    function test_Threat14_Slash_AsksOwnersThatAreContracts() external {
        ContractOwner account = new ContractOwner();
        stake(address(account), STAKE);
        vm.prank(address(account));
        uint256 sourceId = registry.register(corpus(), ENDPOINT);
        ISourceRegistry.Answer memory answer = answerWith(sourceId, 1, foreign());
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAnswered.selector, sourceId));
        registry.slash(answer, 1, foreign(), "");
        account.approve(hashOf(answer, block.chainid, address(registry)));
        registry.slash(answer, 1, foreign(), "");
        vm.assertEq(vault.stakeOf(address(account)).active, 0, "stake");
    }

    function testFuzz_Slash_SparesNothingButThePassage(uint32 position, bytes32 digest, bytes32 sibling) external {
        ISourceRegistry.Passage memory passage =
            ISourceRegistry.Passage(position, digest, 600_000, proofBy(sibling));
        vm.assume(position > 1 || digest != digestAt(position) || sibling != leafAt(1 - position));
        _slashes(answerWith(_source, 1, passage), passage);
    }

    function _slashes(ISourceRegistry.Answer memory answer, ISourceRegistry.Passage memory passage) private {
        bytes memory signature = signed(answer);
        vm.prank(stranger);
        registry.slash(answer, 1, passage, signature);
        vm.assertEq(vault.stakeOf(stranger).credit, STAKE / 2, "bounty");
    }

    function _refuses(
        ISourceRegistry.Answer memory answer,
        uint256 which,
        ISourceRegistry.Passage memory passage,
        bytes memory signature
    ) private {
        vm.expectRevert(abi.encodeWithSelector(ISourceRegistry.SourceRegistryNotAnswered.selector, _source));
        registry.slash(answer, which, passage, signature);
    }

    function _malleable(bytes memory signature) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = (0, 0, uint8(signature[64]));
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        return abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? 28 : 27);
    }
}
