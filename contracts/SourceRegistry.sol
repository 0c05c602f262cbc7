// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {ISourceRegistry} from "./interfaces/ISourceRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title SourceRegistry
/// @notice See `ISourceRegistry`.
contract SourceRegistry is ISourceRegistry, AccessManaged, EIP712 {
    /// @dev One slot.
    struct CheckIn {
        uint32 reliability;
        uint48 since;
    }

    uint256 public constant ENDPOINT_LIMIT = 256;

    bytes32 private constant _PASSAGE_TYPE =
        keccak256("Passage(uint32 position,bytes32 digest,uint32 relevance,bytes32[] proof)");
    bytes32 private constant _ANSWER_TYPE = keccak256(
        "Answer(uint256 sourceId,uint32 version,bytes32 query,Passage[] passages)"
        "Passage(uint32 position,bytes32 digest,uint32 relevance,bytes32[] proof)"
    );
    bytes32 private constant _RELIABILITIES = keccak256("merit source reliabilities");

    IStakeVault public immutable vault;
    IJobEscrow public immutable escrow;
    uint256 public immutable stake;

    uint256 public job;
    bytes32 public reliabilities;
    uint256 public sourceCount;
    mapping(uint256 sourceId => Source) private _sources;
    mapping(uint256 sourceId => mapping(uint32 version => Corpus)) private _corpora;
    mapping(uint256 sourceId => CheckIn) private _checkIns;

    constructor(IStakeVault vault_, IJobEscrow escrow_, address manager)
        AccessManaged(manager)
        EIP712("Merit", "1")
    {
        (vault, escrow, stake) = (vault_, escrow_, vault_.minimumStake());
    }

    // ------------------------------------------------------------------ owners

    /// @inheritdoc ISourceRegistry
    function register(Corpus calldata corpus, string calldata endpoint) external returns (uint256 sourceId) {
        sourceId = ++sourceCount;
        Source storage source = _sources[sourceId];
        (source.owner, source.status) = (msg.sender, Status.ACTIVE);
        emit Registered(sourceId, msg.sender, stake);
        _setCorpus(sourceId, source, corpus);
        _setEndpoint(sourceId, endpoint);
        vault.lock(msg.sender, stake);
    }

    /// @inheritdoc ISourceRegistry
    function updateCorpus(uint256 sourceId, Corpus calldata corpus) external {
        _setCorpus(sourceId, _own(sourceId), corpus);
    }

    /// @inheritdoc ISourceRegistry
    function setEndpoint(uint256 sourceId, string calldata endpoint) external {
        _own(sourceId);
        _setEndpoint(sourceId, endpoint);
    }

    /// @inheritdoc ISourceRegistry
    function retire(uint256 sourceId) external {
        _own(sourceId).status = Status.RETIRED;
        emit Retired(sourceId);
        vault.release(msg.sender, stake);
    }

    // ------------------------------------------------------------------ anyone

    /// @inheritdoc ISourceRegistry
    function slash(Answer calldata answer, uint256 which, Passage calldata passage, bytes calldata signature) external {
        uint256 sourceId = answer.sourceId;
        Source storage source = _known(sourceId);
        (address owner, Status status) = (source.owner, source.status);
        require(status != Status.SLASHED, SourceRegistryAlreadySlashed(sourceId));
        require(
            which < answer.passages.length && answer.passages[which] == _hashPassage(passage)
                && SignatureChecker.isValidSignatureNowCalldata(owner, _hashAnswer(answer), signature),
            SourceRegistryNotAnswered(sourceId)
        );
        require(
            !_holds(_corpora[sourceId][answer.version], passage),
            SourceRegistryInsideCommitment(sourceId, passage.position)
        );
        source.status = Status.SLASHED;
        uint256 locked = status == Status.ACTIVE ? stake : 0;
        uint256 slashed = vault.slash(owner, stake, locked, msg.sender, stake / 2);
        emit Slashed(sourceId, msg.sender, answer.version, answer.query, slashed);
    }

    /// @inheritdoc ISourceRegistry
    function adopt(bytes32 batchId, bytes32 reliabilities_, bytes32 sharesRoot) external {
        IJobEscrow.Pot memory pot = escrow.potOf(batchId);
        // What was adopted last is in the leaf: an older batch, or one that started elsewhere, cannot be adopted.
        bytes32 leaf = keccak256(
            bytes.concat(keccak256(abi.encode(_RELIABILITIES, batchId, reliabilities, reliabilities_)))
        );
        require(
            pot.root != 0 && pot.jobId == job && pot.root == Hashes.commutativeKeccak256(leaf, sharesRoot),
            SourceRegistryNotAdoptable(batchId)
        );
        reliabilities = reliabilities_;
        emit Adopted(batchId, reliabilities_);
    }

    /// @inheritdoc ISourceRegistry
    function checkIn(uint256 sourceId, uint32 reliability, bytes32[] calldata proof) external {
        require(_known(sourceId).status == Status.ACTIVE, SourceRegistryNotActive(sourceId));
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(sourceId, reliability))));
        require(
            MerkleProof.verifyCalldata(proof, reliabilities, leaf), SourceRegistryInvalidProof(sourceId, reliability)
        );
        _checkIns[sourceId] = CheckIn(reliability, uint48(block.timestamp));
        emit CheckedIn(sourceId, reliability);
    }

    // ------------------------------------------------------------------ governance

    /// @inheritdoc ISourceRegistry
    function setJob(uint256 jobId) external restricted {
        job = jobId;
        emit JobSet(jobId);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc ISourceRegistry
    function sourceOf(uint256 sourceId) external view returns (Source memory) {
        return _known(sourceId);
    }

    /// @inheritdoc ISourceRegistry
    function corpusOf(uint256 sourceId, uint32 version) external view returns (Corpus memory) {
        return _corpora[sourceId][version];
    }

    /// @inheritdoc ISourceRegistry
    function reliabilityOf(uint256 sourceId) external view returns (uint32 reliability, uint48 since) {
        if (_known(sourceId).status != Status.ACTIVE) return (0, 0);
        CheckIn storage last = _checkIns[sourceId];
        return (last.reliability, last.since);
    }

    // ------------------------------------------------------------------ private

    function _setCorpus(uint256 sourceId, Source storage source, Corpus calldata corpus) private {
        require(corpus.root != 0 && corpus.passages != 0, SourceRegistryEmptyCorpus());
        uint32 version = ++source.version;
        _corpora[sourceId][version] = corpus;
        emit CorpusUpdated(sourceId, version, corpus);
    }

    function _setEndpoint(uint256 sourceId, string calldata endpoint) private {
        uint256 length = bytes(endpoint).length;
        require(length <= ENDPOINT_LIMIT, SourceRegistryEndpointTooLong(length, ENDPOINT_LIMIT));
        emit EndpointSet(sourceId, endpoint);
    }

    function _known(uint256 sourceId) private view returns (Source storage source) {
        source = _sources[sourceId];
        require(source.status != Status.NONE, SourceRegistryUnknownSource(sourceId));
    }

    /// @dev The caller's active source.
    function _own(uint256 sourceId) private view returns (Source storage source) {
        source = _known(sourceId);
        require(source.owner == msg.sender, SourceRegistryNotOwner(sourceId, msg.sender));
        require(source.status == Status.ACTIVE, SourceRegistryNotActive(sourceId));
    }

    /// @dev A version that there never was holds nothing.
    function _holds(Corpus storage corpus, Passage calldata passage) private view returns (bool) {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(passage.position, passage.digest))));
        return passage.position < corpus.passages && MerkleProof.verifyCalldata(passage.proof, corpus.root, leaf);
    }

    function _hashPassage(Passage calldata passage) private pure returns (bytes32) {
        bytes32 proof = keccak256(abi.encodePacked(passage.proof));
        return keccak256(
            abi.encode(_PASSAGE_TYPE, passage.position, passage.digest, passage.relevance, proof)
        );
    }

    function _hashAnswer(Answer calldata answer) private view returns (bytes32) {
        bytes32 passages = keccak256(abi.encodePacked(answer.passages));
        return _hashTypedDataV4(
            keccak256(abi.encode(_ANSWER_TYPE, answer.sourceId, answer.version, answer.query, passages))
        );
    }
}
