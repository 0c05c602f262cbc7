// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Locality-sensitive fingerprints: distance and consensus
library Fingerprint {
    /// @dev A cluster's rank: this much for each member, less the distance to it. More than any sum of distances.
    uint256 private constant MEMBER = 1 << 32;

    /// @notice Bits in which two digests of `words` words differ; the digests start at `left[i]` and `right[j]`.
    /// @dev `words` is at most 31, so that a sum of byte counts (8 each) fits in a byte.
    function distance(uint256[] memory left, uint256 i, uint256[] memory right, uint256 j, uint256 words)
        internal
        pure
        returns (uint256)
    {
        uint256 counts; // of set bits, one per byte
        for (uint256 word = 0; word < words; ++word) {
            uint256 bits = left[i + word] ^ right[j + word];
            // Parallel sums within a word cannot carry out of their lanes.
            unchecked {
                bits -= (bits >> 1) & (type(uint256).max / 3);
                bits = (bits & (type(uint256).max / 5)) + ((bits >> 2) & (type(uint256).max / 5));
                counts += (bits + (bits >> 4)) & (type(uint256).max / 17);
            }
        }
        unchecked {
            uint256 pairs = (counts & (type(uint256).max / 257)) + ((counts >> 8) & (type(uint256).max / 257));
            return (pairs * (type(uint256).max / 65_535)) >> 240;
        }
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
        uint256[] memory ranks = new uint256[](seats);
        uint256[] memory clusters = new uint256[](seats);
        // The seats are at most 23 and the distances at most 1,024: no sum here comes near 2^256.
        unchecked {
            for (uint256 i = 0; i < seats; ++i) {
                uint256 key = keys[i];
                if (key == 0) continue;
                uint256 rank = ranks[i] + MEMBER;
                uint256 agreeing = clusters[i] | (1 << i);
                for (uint256 j = i + 1; j < seats; ++j) {
                    if (keys[j] != key) continue;
                    uint256 apart = distance(digests, i * words, digests, j * words, words);
                    if (apart > tau) continue;
                    rank += MEMBER - apart;
                    ranks[j] += MEMBER - apart;
                    agreeing |= 1 << j;
                    clusters[j] |= 1 << i;
                }
                ranks[i] = rank;
                clusters[i] = agreeing;
                if (rank > ranks[medoid] || cluster == 0) (medoid, cluster) = (i, agreeing);
            }
            size = (ranks[medoid] + MEMBER - 1) / MEMBER;
        }
    }
}
