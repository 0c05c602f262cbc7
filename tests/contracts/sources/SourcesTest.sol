// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {ISourceRegistry} from "../../../contracts/interfaces/ISourceRegistry.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {Test} from "../Test.sol";

/// @notice A registry with its vault, an escrow whose court is this test, and an owner with stake for two sources.
abstract contract SourcesTest is Test {
    uint96 internal constant STAKE = 100e18;
    uint48 internal constant DELAY = 7 days;
    string internal constant ENDPOINT = "http://source.example";
    bytes32 internal constant ANSWER_TYPE = keccak256(
        "Answer(uint256 sourceId,uint32 version,bytes32 query,Passage[] passages)Passage(uint32 position,bytes32 digest,uint32 relevance,bytes32[] proof)"
    );
    bytes32 internal constant PASSAGE_TYPE =
        keccak256("Passage(uint32 position,bytes32 digest,uint32 relevance,bytes32[] proof)");

    IERC20 internal token;
    AccessManager internal manager;
    IJobEscrow internal escrow;
    IStakeVault internal vault;
    ISourceRegistry internal registry;
    address internal owner;
    uint256 internal ownerKey;
    address internal requester = makeAddr("requester");
    address internal stranger = makeAddr("stranger");
    uint256 internal job;

    function setUp() public virtual {
        vm.warp(1_000_000);
        vm.roll(100);
        (owner, ownerKey) = makeAddrAndKey("owner");
        token = IERC20(deployed("MeritToken", abi.encode(address(this), type(uint96).max)));
        manager = AccessManager(deployed("AccessManager", abi.encode(address(this))));
        escrow = IJobEscrow(
            deployed("JobEscrow", abi.encode(token, address(this), stranger, address(manager), 30 days, 9_000, 0))
        );
        registry = newRegistry(manager);
        stake(owner, 2 * STAKE);
        job = openJob();
        registry.setJob(job);
    }

    function newRegistry(AccessManager by) internal returns (ISourceRegistry made) {
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        vault = IStakeVault(
            deployed("SourceVault", abi.encode(token, predicted, IStakeVault.Parameters(STAKE, DELAY, 8)))
        );
        made = ISourceRegistry(deployed("SourceRegistry", abi.encode(vault, escrow, address(by))));
        require(address(made) == predicted, "prediction");
    }

    function stake(address account, uint256 amount) internal {
        require(token.transfer(account, amount));
        vm.startPrank(account);
        token.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ corpora

    function digestAt(uint32 position) internal pure returns (bytes32) {
        return keccak256(abi.encode("passage", position));
    }

    function leafAt(uint32 position) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(position, digestAt(position)))));
    }

    function pair(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return left < right ? keccak256(abi.encode(left, right)) : keccak256(abi.encode(right, left));
    }

    /// @dev Two passages.
    function corpus() internal pure returns (ISourceRegistry.Corpus memory) {
        return ISourceRegistry.Corpus(pair(leafAt(0), leafAt(1)), keccak256("index"), 2);
    }

    function register() internal returns (uint256) {
        vm.prank(owner);
        return registry.register(corpus(), ENDPOINT);
    }

    // ------------------------------------------------------------------ answers

    function proofBy(bytes32 sibling) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = sibling;
    }

    function committed() internal pure returns (ISourceRegistry.Passage memory) {
        return ISourceRegistry.Passage(0, digestAt(0), 600_000, proofBy(leafAt(1)));
    }

    function foreign() internal pure returns (ISourceRegistry.Passage memory) {
        return ISourceRegistry.Passage(0, keccak256("something else"), 600_000, proofBy(leafAt(1)));
    }

    /// @dev An answer with a committed passage and then `passage`.
    function answerWith(uint256 sourceId, uint32 version, ISourceRegistry.Passage memory passage)
        internal
        pure
        returns (ISourceRegistry.Answer memory)
    {
        bytes32[] memory passages = new bytes32[](2);
        (passages[0], passages[1]) = (hashOf(committed()), hashOf(passage));
        return ISourceRegistry.Answer(sourceId, version, keccak256("query"), passages);
    }

    function hashOf(ISourceRegistry.Passage memory passage) internal pure returns (bytes32) {
        bytes32 proof = keccak256(abi.encodePacked(passage.proof));
        return keccak256(abi.encode(PASSAGE_TYPE, passage.position, passage.digest, passage.relevance, proof));
    }

    function hashOf(ISourceRegistry.Answer memory answer, uint256 chain, address contractAddress)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Merit"),
                keccak256("1"),
                chain,
                contractAddress
            )
        );
        bytes32 passages = keccak256(abi.encodePacked(answer.passages));
        bytes32 hash = keccak256(abi.encode(ANSWER_TYPE, answer.sourceId, answer.version, answer.query, passages));
        return keccak256(bytes.concat("\x19\x01", domain, hash));
    }

    function signed(ISourceRegistry.Answer memory answer) internal view returns (bytes memory) {
        return signed(answer, ownerKey, block.chainid, address(registry));
    }

    function signed(ISourceRegistry.Answer memory answer, uint256 key, uint256 chain, address contractAddress)
        internal
        pure
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hashOf(answer, chain, contractAddress));
        return abi.encodePacked(r, s, v);
    }

    // ------------------------------------------------------------------ reliabilities

    function openJob() internal returns (uint256) {
        require(token.transfer(requester, 1_000e18));
        vm.startPrank(requester);
        token.approve(address(escrow), type(uint256).max);
        uint256 opened = escrow.open(
            IJobEscrow.Terms({
                kind: IJobEscrow.Kind.RETRIEVAL,
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
            }),
            900e18
        );
        vm.stopPrank();
        return opened;
    }

    function reliabilityLeaf(uint256 sourceId, uint32 reliability) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(sourceId, reliability))));
    }

    function payload(bytes32 batchId, bytes32 previous, bytes32 root, bytes32 sharesRoot)
        internal
        pure
        returns (bytes32)
    {
        bytes32 tag = keccak256("merit source reliabilities");
        return pair(keccak256(bytes.concat(keccak256(abi.encode(tag, batchId, previous, root)))), sharesRoot);
    }

    /// @dev A batch of `jobId` that passed with a payload.
    function settle(uint256 jobId, bytes32 batchId, bytes32 root) internal {
        escrow.reserve(jobId, 1);
        escrow.fillPot(jobId, batchId, root, 1e18);
    }
}
