// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Locality-sensitive fingerprints: distance and consensus
/// @dev Assembly where it counts: the largest audit compares 4,000 pairs of 1,024 bits.
library Fingerprint {
    /// @dev A cluster's rank: this much for each member, less the distance to it. More than any sum of distances.
    uint256 private constant MEMBER = 0x100000000;

    uint256 private constant EVERY_SECOND_BIT = 0x5555555555555555555555555555555555555555555555555555555555555555;
    uint256 private constant EVERY_SECOND_PAIR = 0x3333333333333333333333333333333333333333333333333333333333333333;
    uint256 private constant EVERY_SECOND_NIBBLE = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
    uint256 private constant EVERY_SECOND_BYTE = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant ONE_IN_TWO_BYTES = 0x0001000100010001000100010001000100010001000100010001000100010001;

    /// @notice Bits in which two digests of `words` words differ; they start at `left[i]` and `right[j]`.
    function distance(uint256[] memory left, uint256 i, uint256[] memory right, uint256 j, uint256 words)
        internal
        pure
        returns (uint256)
    {
        assert(i + words <= left.length && j + words <= right.length);
        return _apart(_pointer(left, i), _pointer(right, j), words * 32);
    }

    /// @notice The largest set of seats that agree with one seat on one leaf.
    /// @param digests `words` per seat
    /// @param keys What must be equal for two seats to agree, beside the digests; 0 for a seat that takes no part
    /// @param tau Bits that two seats which agree may differ in
    /// @return medoid Seat of the largest cluster; of several, the one with the least total distance, then the lowest
    /// @return cluster Bit i set when seat i agrees with the medoid; 0 if no seat takes part
    /// @return size Number of those seats
    function consensus(uint256[] memory digests, uint256[] memory keys, uint256 words, uint256 tau)
        internal
        pure
        returns (uint256 medoid, uint256 cluster, uint256 size)
    {
        uint256 seats = keys.length;
        assert(digests.length >= seats * words && seats < 32);
        // A standing is the cluster's seats as bits, and above them its rank.
        uint256[] memory standings = new uint256[](seats);
        uint256 best;
        for (uint256 i = 0; i < seats; ++i) {
            if (keys[i] == 0) continue;
            standings[i] += _compare(_pointer(digests, i * words), keys, standings, i, words * 32, tau);
            if (standings[i] >> 32 > best >> 32) (medoid, best) = (i, standings[i]);
        }
        cluster = uint32(best);
        size = ((best >> 32) + MEMBER - 1) / MEMBER;
    }

    /// @dev Compares seat i, whose digest is at `own`, with the seats after it. Returns what its own standing gains; theirs
    /// are written. No bit is set twice and 23 ranks sum to less than 2^37, so nothing carries.
    function _compare(
        uint256 own,
        uint256[] memory keys,
        uint256[] memory standings,
        uint256 i,
        uint256 length,
        uint256 tau
    ) private pure returns (uint256 gained) {
        unchecked {
            gained = MEMBER << 32 | 1 << i;
            uint256 key = keys[i];
            uint256 seats = keys.length;
            uint256 other = own;
            for (uint256 j = i + 1; j < seats; ++j) {
                other += length;
                if (_load(_pointer(keys, j)) != key) continue;
                uint256 apart = _apart(own, other, length);
                if (apart > tau) continue;
                uint256 rank = (MEMBER - apart) << 32;
                gained += rank | 1 << j;
                _increase(_pointer(standings, j), rank | 1 << i);
            }
        }
    }

    /// @dev Bits in which two ranges of memory differ, by parallel sums; up to 31 words, so that a byte of `counts` holds
    /// eight for each.
    function _apart(uint256 first, uint256 second, uint256 length) private pure returns (uint256 apart) {
        assembly ("memory-safe") {
            let counts := 0
            for { let end := add(first, length) } lt(first, end) { first := add(first, 32) } {
                let bits := xor(mload(first), mload(second))
                second := add(second, 32)
                bits := sub(bits, and(shr(1, bits), EVERY_SECOND_BIT))
                bits := add(and(bits, EVERY_SECOND_PAIR), and(shr(2, bits), EVERY_SECOND_PAIR))
                counts := add(counts, and(add(bits, shr(4, bits)), EVERY_SECOND_NIBBLE))
            }
            counts := add(and(counts, EVERY_SECOND_BYTE), and(shr(8, counts), EVERY_SECOND_BYTE))
            apart := shr(240, mul(counts, ONE_IN_TWO_BYTES))
        }
    }

    function _pointer(uint256[] memory array, uint256 index) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(add(array, 32), shl(5, index))
        }
    }

    function _load(uint256 pointer) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(pointer)
        }
    }

    function _increase(uint256 pointer, uint256 by) private pure {
        assembly ("memory-safe") {
            mstore(pointer, add(mload(pointer), by))
        }
    }
}
