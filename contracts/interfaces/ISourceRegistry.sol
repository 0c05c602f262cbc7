// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJobEscrow} from "./IJobEscrow.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @title Retrieval sources: what each has committed to, and how far it is to be believed
/// @notice A source is a corpus of passages with an owner and a stake. Its reliability is worked out by the committees
/// that audit the retrieval job of the network; nobody states it, not the source, not its users, not an administrator.
///
/// A source signs its answers. One that signs a passage which its commitment does not hold loses its stake to whoever
/// shows the answer. The signature covers the Merkle proof of each passage, so an answer alone shows that the proof
/// fails, and the corpus stays with its owner.
interface ISourceRegistry {
    enum Status {
        NONE,
        ACTIVE,
        RETIRED,
        SLASHED
    }

    /// @param version Of the newest corpus; the first is 1.
    struct Source {
        address owner;
        uint32 version;
        Status status;
    }

    /// @param root Merkle root over the passages, leaf `keccak256(bytes.concat(keccak256(abi.encode(position, digest))))`.
    /// @param index SHA-256 digest of the bytes that a search in the corpus can be run again from.
    /// @param passages How many there are; positions count from zero.
    struct Corpus {
        bytes32 root;
        bytes32 index;
        uint32 passages;
    }

    /// @notice One passage of an answer, as EIP-712 struct.
    /// @param digest SHA-256 of the passage's text.
    /// @param relevance In millionths.
    /// @param proof That the passage is in the corpus.
    struct Passage {
        uint32 position;
        bytes32 digest;
        uint32 relevance;
        bytes32[] proof;
    }

    /// @notice What a source signs, with the hash of each of its passages in place of `Passage[] passages`.
    /// @param query SHA-256 digest of the query, which names its job, window and a nonce.
    struct Answer {
        uint256 sourceId;
        uint32 version;
        bytes32 query;
        bytes32[] passages;
    }

    /// @param stake How much of the owner's stake the vault has locked for the source.
    event Registered(uint256 indexed sourceId, address indexed owner, uint256 stake);
    event EndpointSet(uint256 indexed sourceId, string endpoint);
    event CorpusUpdated(uint256 indexed sourceId, uint32 version, Corpus corpus);
    event Retired(uint256 indexed sourceId);
    event Slashed(uint256 indexed sourceId, address indexed beneficiary, uint32 version, bytes32 query, uint256 amount);
    event JobSet(uint256 indexed jobId);
    event Adopted(bytes32 indexed batchId, bytes32 reliabilities);
    event CheckedIn(uint256 indexed sourceId, uint32 reliability);

    error SourceRegistryUnknownSource(uint256 sourceId);
    error SourceRegistryNotOwner(uint256 sourceId, address caller);
    /// @dev It was retired or slashed.
    error SourceRegistryNotActive(uint256 sourceId);
    error SourceRegistryAlreadySlashed(uint256 sourceId);
    error SourceRegistryEmptyCorpus();
    error SourceRegistryEndpointTooLong(uint256 length, uint256 limit);
    /// @dev The owner did not sign an answer with this passage at this place.
    error SourceRegistryNotAnswered(uint256 sourceId);
    /// @dev The passage is one of those committed to: nothing is wrong with the answer.
    error SourceRegistryInsideCommitment(uint256 sourceId, uint32 position);
    /// @dev The batch is not of the network's retrieval job, did not pass, or does not follow what was adopted last.
    error SourceRegistryNotAdoptable(bytes32 batchId);
    error SourceRegistryInvalidProof(uint256 sourceId, uint32 reliability);

    // ------------------------------------------------------------------ owners

    /// @notice Registers a source of the caller's and puts its stake behind it.
    /// @param endpoint Where it answers; at most 256 bytes.
    function register(Corpus calldata corpus, string calldata endpoint) external returns (uint256 sourceId);

    /// @notice Commits to another corpus. Answers from earlier versions stay bound to these.
    function updateCorpus(uint256 sourceId, Corpus calldata corpus) external;

    function setEndpoint(uint256 sourceId, string calldata endpoint) external;

    /// @notice Ends a source for good and frees its stake, which stays slashable while it unbonds.
    function retire(uint256 sourceId) external;

    // ------------------------------------------------------------------ anyone

    /// @notice Takes the stake of a source that signed a passage outside its commitment: half for the caller, half burned.
    /// @param which Place of `passage` in the answer.
    /// @param signature Of the source's owner, EIP-712 in this contract's domain; ERC-1271 accounts are asked.
    function slash(Answer calldata answer, uint256 which, Passage calldata passage, bytes calldata signature) external;

    /// @notice Adopts the reliabilities that a settled batch of the network's retrieval job ends in.
    /// @param sharesRoot The other half of the batch's payload: root over the shares, zero if there are none.
    function adopt(bytes32 batchId, bytes32 reliabilities, bytes32 sharesRoot) external;

    /// @notice Stores a source's reliability, in millionths, by its proof under the adopted root.
    function checkIn(uint256 sourceId, uint32 reliability, bytes32[] calldata proof) external;

    // ------------------------------------------------------------------ governance

    /// @notice Names the job whose audits decide on reliabilities.
    function setJob(uint256 jobId) external;

    // ------------------------------------------------------------------ views

    function vault() external view returns (IStakeVault);
    function escrow() external view returns (IJobEscrow);

    /// @notice What stands behind each source, in the token's smallest unit.
    function stake() external view returns (uint256);
    function job() external view returns (uint256 jobId);
    function sourceCount() external view returns (uint256);

    /// @notice Root over the reliabilities that were adopted last.
    function reliabilities() external view returns (bytes32);
    function sourceOf(uint256 sourceId) external view returns (Source memory);

    /// @notice Zeros for a version that there never was.
    function corpusOf(uint256 sourceId, uint32 version) external view returns (Corpus memory);

    /// @notice In millionths, as checked in at `since`; zeros for a source that is not active or never checked in.
    function reliabilityOf(uint256 sourceId) external view returns (uint32 reliability, uint48 since);
}
