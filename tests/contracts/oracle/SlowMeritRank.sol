// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Row} from "../../../contracts/libraries/MeritRow.sol";

/// @notice MeritRank of a small graph by its definitions: all visits by inverting I - (1 - stop) P, bridges by taking out
/// one account after the other. Shares nothing with the contracts but the row's fields.
contract SlowMeritRank {
    int256 private constant ONE = 1 << 100;
    uint256 private constant UNIT = 1 << 44;

    struct Graph {
        address[] accounts; // Ascending.
        uint256[][] trust; // [from][to]
        uint256[][] distrust;
        uint256[] seeds; // Weights as multiples of 2^-44.
        uint256 stop; // As multiples of 2^-44, as bridgeDecay.
        uint256 bridgeDecay;
    }

    /// @notice The honest row of every account.
    function rows(Graph memory graph) external pure returns (Row[] memory result) {
        uint256 n = graph.accounts.length;
        int256[][] memory all = _visits(graph);
        uint256[] memory trusted = new uint256[](n);
        result = new Row[](n);
        for (uint256 j = 0; j < n; ++j) {
            int256 visits = 0;
            for (uint256 i = 0; i < n; ++i) {
                visits += int256(graph.seeds[i]) * all[i][j];
            }
            Row memory row = result[j];
            row.index = uint32(j);
            row.account = graph.accounts[j];
            row.visits = uint64(_round(visits / int256(UNIT), 44));
            row.diagonal = uint64(_round(all[j][j], 24));
            row.bridge = graph.accounts[_bridge(graph, j)];
            uint256 kept = row.bridge == row.account ? UNIT : UNIT - graph.bridgeDecay;
            trusted[j] = uint256(row.visits) * 2 ** 24 * 1e18 * kept / (uint256(row.diagonal) * 2 ** 88);
        }
        for (uint256 j = 0; j < n; ++j) {
            uint256 lost = 0;
            for (uint256 k = 0; k < n; ++k) {
                if (graph.distrust[k][j] > 0) lost += trusted[k] * graph.distrust[k][j] / _sum(graph.distrust[k]);
            }
            result[j].score = uint64(lost < trusted[j] ? trusted[j] - lost : 0);
        }
    }

    /// @notice Visits of every account by walks that begin at `from`, in units of 2^-44.
    function visitsFrom(Graph memory graph, uint256 from) external pure returns (uint64[] memory result) {
        int256[][] memory all = _visits(graph);
        result = new uint64[](graph.accounts.length);
        for (uint256 j = 0; j < result.length; ++j) {
            result[j] = uint64(_round(all[from][j], 44));
        }
    }

    /// @dev The inverse of I - (1 - stop) P, by elimination; no pivot is needed, since the diagonal dominates the rows.
    function _visits(Graph memory graph) private pure returns (int256[][] memory inverse) {
        uint256 n = graph.accounts.length;
        int256[][] memory matrix = new int256[][](n);
        inverse = new int256[][](n);
        for (uint256 i = 0; i < n; ++i) {
            (matrix[i], inverse[i]) = (new int256[](n), new int256[](n));
            uint256 strength = _sum(graph.trust[i]);
            for (uint256 j = 0; j < n; ++j) {
                if (graph.trust[i][j] == 0) continue;
                matrix[i][j] = -int256((UNIT - graph.stop) * (uint256(ONE) / UNIT) * graph.trust[i][j] / strength);
            }
            matrix[i][i] += ONE;
            inverse[i][i] = ONE;
        }
        for (uint256 column = 0; column < n; ++column) {
            _scale(matrix[column], inverse[column], matrix[column][column]);
            for (uint256 i = 0; i < n; ++i) {
                if (i != column) _subtract(matrix, inverse, i, column);
            }
        }
    }

    function _scale(int256[] memory row, int256[] memory inverse, int256 pivot) private pure {
        for (uint256 j = 0; j < row.length; ++j) {
            row[j] = row[j] * ONE / pivot;
            inverse[j] = inverse[j] * ONE / pivot;
        }
    }

    function _subtract(int256[][] memory matrix, int256[][] memory inverse, uint256 i, uint256 column) private pure {
        int256 factor = matrix[i][column];
        for (uint256 j = 0; j < matrix.length; ++j) {
            matrix[i][j] -= factor * matrix[column][j] / ONE;
            inverse[i][j] -= factor * inverse[column][j] / ONE;
        }
    }

    /// @dev Of the accounts that cut `j` off when they are taken out, the one that no other cuts off; `j` without any.
    function _bridge(Graph memory graph, uint256 j) private pure returns (uint256) {
        uint256 n = graph.accounts.length;
        if (!_reaches(graph, j, n)) return j;
        for (uint256 c = 0; c < n; ++c) {
            if (!_cuts(graph, c, j)) continue;
            bool first = true;
            for (uint256 other = 0; other < n; ++other) {
                if (_cuts(graph, other, c)) first = false;
            }
            if (first) return c;
        }
        return j;
    }

    /// @dev Whether every walk to `j` passes `c`; a single seed does not count.
    function _cuts(Graph memory graph, uint256 c, uint256 j) private pure returns (bool) {
        return c != j && graph.seeds[c] != UNIT && !_reaches(graph, j, c);
    }

    /// @dev Whether walks reach `to` when `without` is taken out.
    function _reaches(Graph memory graph, uint256 to, uint256 without) private pure returns (bool) {
        uint256 n = graph.accounts.length;
        bool[] memory reached = new bool[](n);
        for (uint256 i = 0; i < n; ++i) {
            reached[i] = graph.seeds[i] > 0 && i != without;
        }
        bool grew = true;
        while (grew) {
            grew = false;
            for (uint256 i = 0; i < n; ++i) {
                if (!reached[i]) continue;
                for (uint256 j = 0; j < n; ++j) {
                    if (reached[j] || j == without || graph.trust[i][j] == 0) continue;
                    (reached[j], grew) = (true, true);
                }
            }
        }
        return reached[to];
    }

    function _round(int256 value, uint256 bits) private pure returns (uint256) {
        uint256 unit = uint256(ONE) >> bits;
        return (uint256(value) + unit / 2) / unit;
    }

    function _sum(uint256[] memory values) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < values.length; ++i) {
            sum += values[i];
        }
    }
}
