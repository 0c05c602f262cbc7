// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditClock} from "./AuditClock.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {Fingerprint} from "./libraries/Fingerprint.sol";

/// @title The part of the court that compares what a committee revealed
abstract contract AuditTally is AuditClock {
    uint8 private constant INCONSISTENT = 2;
    uint8 internal constant UNAVAILABLE = 3;

    // The two lowest bits of a seat.
    uint256 private constant TAG = 3;
    uint256 internal constant DRAWN = 1;
    uint256 internal constant COMMITTED = 2;
    uint256 private constant REVEALED = 3;

    /// @dev Hash of the round's seed and committee, then of that and what was disclosed.
    mapping(bytes32 batchId => mapping(uint256 round => bytes32)) internal _rounds;
    mapping(bytes32 batchId => mapping(uint256 round => mapping(address verifier => bytes32))) internal _seats;

    /// @dev What the reveals of a round say. `outcome` NONE: no decision for want of a quorum.
    struct Tally {
        Outcome outcome;
        bool proven;
        uint256 agreed;
        bytes32 payload;
    }

    // ------------------------------------------------------------------------------------------ views

    function seatOf(bytes32 batchId, uint256 round, address verifier) external view returns (bytes32) {
        return _seats[batchId][round][verifier];
    }

    function commitmentOf(
        bytes32 batchId,
        uint256 round,
        address verifier,
        uint256[] calldata digests,
        uint8[] calldata verdicts,
        bytes32 payload,
        bytes32 salt
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(block.chainid, address(this), batchId, round, verifier, digests, verdicts, payload, salt)
        );
    }

    // ------------------------------------------------------------------------------------------ internal

    /// @dev Checks the arguments against the stored hashes and compares the digests leaf by leaf.
    function _tally(
        bytes32 batchId,
        uint256 round,
        Audit memory audit,
        IJobEscrow.Terms memory terms,
        bytes32 seed,
        address[] calldata committee,
        Reveal[] calldata reveals,
        uint256[] calldata disclosed
    ) internal view returns (Tally memory tally) {
        bytes32 roundHash = keccak256(abi.encode(seed, committee));
        if (disclosed.length != 0) roundHash = keccak256(abi.encode(roundHash, disclosed));
        require(_rounds[batchId][round] == roundHash, AuditCourtAuditMismatch(batchId));
        _checkLength(reveals.length, committee.length);
        uint256[] memory classes = _payloadClasses(batchId, round, committee, reveals);

        uint256 words = audit.words;
        uint256[] memory digests = new uint256[](committee.length * words);
        uint256[] memory keys = new uint256[](committee.length);
        bool undecided;
        bool unavailable;
        bool grey;
        bool fraud;
        tally.agreed = type(uint256).max;
        for (uint256 leaf = 0; leaf < audit.samples; ++leaf) {
            _gather(digests, keys, classes, reveals, leaf, words);
            (uint256 medoid, uint256 cluster, uint256 size) =
                Fingerprint.consensus(digests, keys, words, terms.tau);
            if (size * 3 < committee.length * 2) {
                undecided = true;
                continue;
            }
            // Two thirds twice: the clusters of two leaves share a seat, so all leaves have the same payload.
            tally.agreed &= cluster;
            tally.payload = reveals[medoid].payload;
            uint256 verdict = reveals[medoid].verdicts[leaf];
            if (verdict == UNAVAILABLE) {
                unavailable = true;
            } else if (verdict == INCONSISTENT) {
                (fraud, tally.proven) = (true, true);
            } else if (!audit.shared) {
                if (disclosed.length == 0 || reveals[medoid].opened >> leaf & 1 == 0) {
                    fraud = true;
                    continue;
                }
                uint256 apart = Fingerprint.distance(disclosed, leaf * words, digests, medoid * words, words);
                if (apart > terms.hard) (fraud, tally.proven) = (true, true);
                else if (apart > terms.soft) grey = true;
            }
        }
        if (fraud) tally.outcome = Outcome.FRAUD;
        else if (undecided) tally.outcome = Outcome.NONE;
        else if (unavailable) tally.outcome = Outcome.UNAVAILABLE;
        else tally.outcome = grey ? Outcome.GREY : Outcome.PASS;
    }

    /// @dev For each seat, 1 + the first seat with the same payload; 0 for one that did not reveal.
    function _payloadClasses(bytes32 batchId, uint256 round, address[] calldata committee, Reveal[] calldata reveals)
        private
        view
        returns (uint256[] memory classes)
    {
        classes = new uint256[](committee.length);
        for (uint256 i = 0; i < committee.length; ++i) {
            bytes32 seat = _seats[batchId][round][committee[i]];
            if (_tag(seat) != REVEALED) continue;
            Reveal calldata given = reveals[i];
            require(
                seat == _revealHash(given.digests, given.verdicts, given.opened, given.payload),
                AuditCourtRevealMismatch(batchId, committee[i])
            );
            uint256 first = 0;
            while (first < i && (classes[first] == 0 || reveals[first].payload != given.payload)) ++first;
            classes[i] = first + 1;
        }
    }

    /// @dev Writes one leaf's digests and agreement keys of all seats.
    function _gather(
        uint256[] memory digests,
        uint256[] memory keys,
        uint256[] memory classes,
        Reveal[] calldata reveals,
        uint256 leaf,
        uint256 words
    ) private pure {
        uint256 size = words * 32;
        for (uint256 i = 0; i < keys.length; ++i) {
            if (classes[i] == 0) continue;
            Reveal calldata given = reveals[i];
            keys[i] = classes[i] << 3 | (given.opened >> leaf & 1) << 2 | given.verdicts[leaf];
            uint256[] calldata own = given.digests[leaf * words:(leaf + 1) * words];
            assembly ("memory-safe") {
                calldatacopy(add(add(digests, 32), mul(i, size)), own.offset, size)
            }
        }
    }

    function _revealHash(uint256[] calldata digests, uint8[] calldata verdicts, uint256 opened, bytes32 payload)
        internal
        pure
        returns (bytes32)
    {
        return _tagged(keccak256(abi.encode(digests, verdicts, opened, payload)), REVEALED);
    }

    function _tag(bytes32 seat) internal pure returns (uint256) {
        return uint256(seat) & TAG;
    }

    function _tagged(bytes32 value, uint256 tag) internal pure returns (bytes32) {
        return bytes32(uint256(value) & ~TAG | tag);
    }

    function _checkLength(uint256 given, uint256 expected) internal pure {
        require(given == expected, AuditCourtLengthMismatch(given, expected));
    }
}
