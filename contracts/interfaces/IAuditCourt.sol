// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Batches of work and their audits
/// @notice A batch is recorded, drawn and, if the draw says so, judged by a committee that commits, lets the contributor
/// disclose, and reveals. Every phase ends when all who are due have acted, at the latest at its deadline; no call is needed
/// to close one. A call made at a deadline's second is late.
interface IAuditCourt {
    /// @dev TALLY: everything needed for `finalize` is on the chain. DECIDED: `settle` pays after the appeal window.
    enum Phase {
        NONE,
        RECORDED,
        COMMIT,
        DISCLOSE,
        REVEAL,
        TALLY,
        DECIDED,
        SETTLED
    }

    /// @dev UNSAMPLED and PASS are paid; FRAUD is slashed; the rest is neither. CANARY: found to be fraud, and announced
    /// as such by the requester before the draw.
    enum Outcome {
        NONE,
        UNSAMPLED,
        PASS,
        GREY,
        UNAVAILABLE,
        FRAUD,
        REFUNDED,
        CANARY
    }

    /// @dev Why a verifier is penalized; see `Penalties`.
    enum Fault {
        ABSENT,
        OUTLIER,
        WITHHELD,
        OVERTURNED
    }

    /// @dev EIP-712 type, domain {name "Merit", version "1"}; its digest is the batch's id. Leaves carry consecutive sequence
    /// numbers per job and contributor, starting at 0: `first` is the number of this batch's first leaf.
    struct Batch {
        uint256 jobId;
        address contributor;
        uint64 first;
        uint32 count; // leaves
        uint64 units; // of work, as priced by the job
        bytes32 leavesRoot;
        bytes32 dataHash; // SHA-256 of the bytes that list the leaves
        uint48 deadline; // timestamp; the signature is good until then, inclusive
    }

    /// @dev One storage slot.
    struct Audit {
        Phase phase;
        Outcome outcome; // while an appeal runs: the decision appealed against
        uint8 round; // every draw of a committee after the first adds one
        uint8 redraws;
        uint8 appeals;
        uint8 committeeSize;
        uint8 committed;
        uint8 revealed;
        uint8 samples; // `samples` and `words` are 0 until a committee is drawn
        uint8 words;
        bool shared;
        bool disclosed;
        bool certain; // a seed has said that this batch is audited
        bool proven; // the fraud lies in what was recorded, not in what was disclosed
        uint48 recordedBlock;
        uint48 seedBlock;
        uint48 since; // timestamp at which the phase began
    }

    /// @dev What a seat revealed; all arrays empty for a seat that did not. `digests`: `words` per sampled leaf, in sample order.
    struct Reveal {
        uint256[] digests;
        uint8[] verdicts; // 1 consistent, 2 inconsistent, 3 evidence unavailable
        uint256 opened; // bit i: the disclosed digest of sample i opens the committed trace
        bytes32 payload; // SHARED: root of the allocation
    }

    /// @dev Taken from a verifier's stake and burned.
    struct Penalties {
        uint96 absent; // drawn, did not commit
        uint96 outlier; // revealed outside the cluster of a leaf that has a quorum
        uint96 withheld; // committed, did not reveal
        uint96 overturned; // carried a verdict that a larger committee overturned; half goes to the wronged party
    }

    /// @dev Blocks for `seedDelay`, seconds for the rest.
    struct Windows {
        uint32 seedDelay;
        uint32 commit;
        uint32 disclose;
        uint32 reveal;
        uint32 appeal;
        uint32 unsampled;
    }

    /// @dev The escrow has reserved `units x price + auditFee` and the vault locked `units x slashPerUnit`: the job's
    /// `JobOpened` has these terms.
    event Recorded(bytes32 indexed batchId, address requester, Batch batch, uint256 seedBlock);
    event SeedRearmed(bytes32 indexed batchId, uint256 round, uint256 seedBlock);
    event Unsampled(bytes32 indexed batchId, bytes32 seed, uint256 settleableAt);
    /// @dev `seed` draws the committee and the fingerprint key of this round; `sampleSeed`, the seed of round 0, the leaves.
    /// An appeal judges the same leaves: otherwise a cheat that was caught would be drawn again until it is missed.
    event Drawn(
        bytes32 indexed batchId,
        uint256 indexed round,
        bytes32 seed,
        bytes32 sampleSeed,
        address[] committee,
        uint256 commitDeadline
    );
    event Committed(bytes32 indexed batchId, uint256 indexed round, address indexed verifier, bytes32 commitment);
    event Disclosed(bytes32 indexed batchId, uint256 indexed round, uint256[] digests, bytes32 openingsHash);
    event Revealed(
        bytes32 indexed batchId,
        uint256 indexed round,
        address indexed verifier,
        uint256[] digests,
        uint8[] verdicts,
        uint256 opened,
        bytes32 payload
    );
    /// @dev The current phase, whenever it began by an act rather than by a deadline, and its deadline.
    event PhaseBegun(bytes32 indexed batchId, uint256 indexed round, Phase phase, uint256 deadline);
    event NoQuorum(bytes32 indexed batchId, uint256 indexed round, uint256 seedBlock);
    /// @dev `agreed`: bit i set when seat i lies in the cluster of every leaf that has a quorum.
    event Decided(
        bytes32 indexed batchId,
        uint256 indexed round,
        Outcome outcome,
        uint256 agreed,
        bytes32 payload,
        uint256 settleableAt
    );
    event VerifierPenalized(
        bytes32 indexed batchId, uint256 indexed round, address indexed verifier, Fault fault, uint256 slashed
    );
    event Appealed(bytes32 indexed batchId, address indexed appellant, uint256 bond, uint256 seedBlock);
    event CanaryCommitted(bytes32 indexed commitment);
    event CanaryRevealed(bytes32 indexed batchId);
    event Settled(
        bytes32 indexed batchId, Outcome outcome, address indexed contributor, uint256 paid, uint256 slashed
    );
    event ShareEndorsed(bytes32 indexed batchId, address indexed account, uint256 amount);
    event PenaltiesSet(Penalties penalties);

    error AuditCourtWrongPhase(bytes32 batchId, Phase current, Phase needed);
    error AuditCourtTooEarly(bytes32 batchId, uint256 notBefore);
    error AuditCourtTooLate(bytes32 batchId, uint256 deadline);
    error AuditCourtLengthMismatch(uint256 given, uint256 expected);
    error AuditCourtTooManyBatches(uint256 given, uint256 limit);
    error AuditCourtEmptyBatch();
    error AuditCourtSignatureExpired(uint256 deadline);
    error AuditCourtInvalidSignature(bytes32 batchId, address contributor);
    error AuditCourtSelfDealing(address account);
    error AuditCourtUnexpectedFirst(uint256 jobId, address contributor, uint256 expected, uint256 given);
    error AuditCourtSeedNotReady(bytes32 batchId, uint256 seedBlock);
    error AuditCourtNotSeated(bytes32 batchId, uint256 round, address account);
    error AuditCourtAlreadyCommitted(bytes32 batchId, address verifier);
    error AuditCourtNotCommitted(bytes32 batchId, address verifier);
    error AuditCourtCommitmentMismatch(bytes32 batchId, address verifier);
    error AuditCourtInvalidVerdict(uint256 verdict);
    error AuditCourtInvalidOpened(uint256 opened);
    error AuditCourtNotContributor(bytes32 batchId, address caller);
    error AuditCourtNotRequester(bytes32 batchId, address caller);
    error AuditCourtAuditMismatch(bytes32 batchId);
    error AuditCourtRevealMismatch(bytes32 batchId, address verifier);
    error AuditCourtNotAppealable(bytes32 batchId, Outcome outcome);
    error AuditCourtAppealsExhausted(bytes32 batchId);
    error AuditCourtNotOverturned(bytes32 batchId, uint256 round);
    error AuditCourtUnknownCanary(bytes32 commitment);
    error AuditCourtCanaryExists(bytes32 commitment);
    error AuditCourtInvalidPenalties();
    error AuditCourtInvalidWindows();

    // ---------------------------------------------------------------- the life cycle

    /// @notice Records at most 32 batches, each signed by its contributor. Anyone may relay. Reserves the job's money, locks
    /// the contributor's stake.
    function record(Batch[] calldata batches, bytes[] calldata signatures) external;

    /// @notice Reads the seed of the batch's next round: not audited, or which committee. Anyone, once the seed block has
    /// passed. A seed out of reach is armed again.
    function draw(Batch calldata batch) external;

    /// @notice `commitment`: `commitmentOf(batchId, round, verifier, digests, verdicts, payload, salt)`.
    function commit(bytes32 batchId, bytes32 commitment) external;

    /// @notice The contributor's digests of the committed traces under the round's key.
    /// @param openingsHash SHA-256 of the bytes that open the committed traces
    function disclose(Batch calldata batch, uint256[] calldata digests, bytes32 openingsHash) external;

    function reveal(
        bytes32 batchId,
        uint256[] calldata digests,
        uint8[] calldata verdicts,
        uint256 opened,
        bytes32 payload,
        bytes32 salt
    ) external;

    /// @notice Decides a round from what was revealed. Anyone. All arguments are checked against stored hashes.
    /// @param reveals one per seat of `committee`
    /// @param disclosed empty if the contributor disclosed nothing
    function finalize(
        Batch calldata batch,
        bytes32 seed,
        address[] calldata committee,
        Reveal[] calldata reveals,
        uint256[] calldata disclosed
    ) external;

    /// @notice Pays, slashes or returns what a decision says, once. Anyone; PASS and FRAUD after the appeal window.
    function settle(Batch calldata batch) external;

    // ---------------------------------------------------------------- disputes

    /// @notice Asks for a larger committee: the contributor against FRAUD, the requester against PASS. Pulls `appealBond`
    /// through the escrow (approve it there); it is that committee's fee.
    function appeal(Batch calldata batch) external;

    /// @notice Slashes those seats of an earlier round whose decision the final one proves wrong, each once.
    function punish(
        Batch calldata batch,
        uint256 round,
        bytes32 seed,
        address[] calldata committee,
        Reveal[] calldata reveals,
        uint256[] calldata disclosed
    ) external;

    /// @notice Announces, without saying which, that a batch about to be recorded is known to be bad.
    /// @param commitment `keccak256(abi.encode(requester, batchId, salt))`
    function commitCanary(bytes32 commitment) external;

    /// @notice The requester turns FRAUD into CANARY: the contributor, its accomplice in the test, is not slashed.
    function revealCanary(Batch calldata batch, bytes32 salt) external;

    // ---------------------------------------------------------------- shared settlement

    /// @notice Records the trust edge of a share that was claimed, once. Anyone.
    function endorse(bytes32 batchId, address account) external;

    // ---------------------------------------------------------------- governance

    function setPenalties(Penalties calldata penalties) external;
    function pause() external;
    function unpause() external;

    // ---------------------------------------------------------------- views

    function hashBatch(Batch calldata batch) external view returns (bytes32 batchId);

    /// @notice The audit as of this block: phases that ended by their deadline are over.
    function auditOf(bytes32 batchId) external view returns (Audit memory);

    /// @notice Timestamp at which the current phase ends by itself; 0 if it does not.
    function deadlineOf(bytes32 batchId) external view returns (uint256);

    /// @notice Two lowest bits: 0 not drawn (or punished), 1 drawn, 2 committed, 3 revealed; the others are those of the
    /// commitment or of the reveal's hash.
    function seatOf(bytes32 batchId, uint256 round, address verifier) external view returns (bytes32);

    /// @notice Sequence number that the contributor's next batch must start with.
    function nextLeaf(uint256 jobId, address contributor) external view returns (uint256);

    /// @notice Basis points at which a contributor's batches are audited under `jobId`.
    function auditRate(uint256 jobId, address contributor) external view returns (uint256);

    /// @notice Positions in the batch, 0 to `count - 1`, of the leaves that an audit looks at (Floyd's sampling):
    /// for i in 0..m-1, m = min(samples, count): j = count - m + i, t = keccak256(abi.encode(sampleSeed, "leaf", i)) mod (j + 1);
    /// t if it is not yet chosen, otherwise j.
    function sampledLeaves(bytes32 sampleSeed, uint256 count, uint256 samples)
        external
        pure
        returns (uint256[] memory);

    /// @notice Key of a round's fingerprints: `keccak256(abi.encode(seed, "key"))`.
    function fingerprintKey(bytes32 seed) external pure returns (bytes32);

    /// @notice `keccak256(abi.encode(chainid, court, batchId, round, verifier, digests, verdicts, payload, salt))`. The two
    /// lowest bits are dropped when it is stored.
    function commitmentOf(
        bytes32 batchId,
        uint256 round,
        address verifier,
        uint256[] calldata digests,
        uint8[] calldata verdicts,
        bytes32 payload,
        bytes32 salt
    ) external view returns (bytes32);

    /// @notice What the next appeal of the batch costs.
    function appealBond(Batch calldata batch) external view returns (uint256);
    function penalties() external view returns (Penalties memory);
    function windows() external view returns (Windows memory);
}
