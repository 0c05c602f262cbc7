// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {IReputationOracle} from "../../../contracts/interfaces/IReputationOracle.sol";
import {Row} from "../../../contracts/libraries/MeritRow.sol";
import {OracleTest} from "./OracleTest.sol";

/// challengeHiddenBridge
/// ├── of honest rows, with any region and any bridge: it reverts
/// ├── of a row that hides its bridge, alone or with others behind it: its region shows it
/// ├── with fewer in-edges than the region has: it waits for the rest; another's progress does not count
/// └── with rows of others, too few or too many of them: it reverts
contract HiddenBridgesTest is OracleTest {
    function testFuzz_Threat20_HonestRows_HideNothing(bytes32 entropy, uint256 n, uint256 members, bool twoSeeds)
        external
    {
        n = bound(n, 2, 8);
        if (twoSeeds) oracle.setParameters(parameters(ONE / 3));
        randomGraph(entropy, n);
        Row[] memory rows = honest;
        propose(rows);
        for (uint256 j = 0; j < n; ++j) {
            bool[] memory region = new bool[](n);
            for (uint256 i = 0; i < n; ++i) {
                // Some region with the row, and the one that claims nothing it has not shown.
                region[i] = i == j || (members >> i) & 1 == 1;
            }
            for (uint256 i = 0; i < n; ++i) {
                vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
                this.challenge(rows, j, accountAt(i), region, type(uint256).max);
                vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
                this.challenge(rows, j, accountAt(i), _regionOf(rows, j, accountAt(i)), type(uint256).max);
            }
        }
        assertLive();
    }

    function testFuzz_Threat20_HiddenBridge_IsVoided(bytes32 entropy, uint256 n, uint256 accomplices, bool twoSeeds)
        external
    {
        n = bound(n, 3, 8);
        if (twoSeeds) oracle.setParameters(parameters(ONE / 3));
        randomGraph(entropy, n);
        Row[] memory rows = honest;
        uint256 liar = n;
        for (uint256 i = 0; i < n; ++i) {
            bool cut = honest[i].bridge != honest[i].account && honest[i].visits > 0;
            if (!cut || (liar < n && (accomplices >> i) & 1 == 0)) continue;
            rows[i].bridge = rows[i].account;
            liar = i;
        }
        vm.assume(liar < n);
        address bridge = honest[liar].bridge;
        propose(rows);
        this.challenge(rows, liar, bridge, _regionOf(rows, liar, bridge), type(uint256).max);
        assertVoid();
    }

    function test_Threat20_AccountThatNoWalkReaches_HidesNothing() external {
        newModel(4);
        trust(0, 1, 1e18);
        trust(2, 3, 1e18);
        close();
        propose(honest);
        bool[] memory region = new bool[](4);
        (region[2], region[3]) = (true, true);
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        this.challenge(honest, 3, accountAt(1), region, type(uint256).max);
        assertLive();
    }

    function test_Threat20_RegionInParts_WaitsForTheRest() external {
        (Row[] memory rows, bool[] memory region) = _hidingPair();
        for (uint256 edge = 1; edge < 4; ++edge) {
            this.challenge(rows, 2, accountAt(1), region, 1);
            assertLive();
        }
        vm.prank(proposer);
        this.challenge(rows, 2, accountAt(1), region, 1); // It begins anew.
        assertLive();
        this.challenge(rows, 2, accountAt(1), region, 1);
        assertVoid();
    }

    function test_Entries_MustBeThoseOfTheInNeighbours() external {
        (Row[] memory rows, bool[] memory region) = _hidingPair();
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 2);
        address[] memory accounts = _accounts(region);
        IReputationOracle.ProvenRow[] memory entries = _entries(rows, accounts, 0, 4);
        IReputationOracle.ProvenRow[] memory more = new IReputationOracle.ProvenRow[](entries.length + 1);
        IReputationOracle.ProvenRow[] memory other = new IReputationOracle.ProvenRow[](entries.length);
        for (uint256 i = 0; i < entries.length; ++i) {
            (more[i], other[i]) = (entries[i], prove(address(0), rows, 0));
        }
        more[entries.length] = proven;

        vm.expectRevert(IReputationOracle.ReputationOracleTooManyNeighbors.selector);
        oracle.challengeHiddenBridge(epoch, proven, accountAt(1), accounts, more, 4);
        vm.expectRevert(
            abi.encodeWithSelector(
                IReputationOracle.ReputationOracleWrongNeighbor.selector, accountAt(0), accountAt(1)
            )
        );
        oracle.challengeHiddenBridge(epoch, proven, accountAt(1), accounts, other, 4);
        vm.expectRevert(
            abi.encodeWithSelector(IReputationOracle.ReputationOracleWrongNeighbor.selector, address(0), accountAt(1))
        );
        oracle.challengeHiddenBridge(
            epoch, proven, accountAt(1), accounts, new IReputationOracle.ProvenRow[](0), 4
        );
        assertLive();
    }

    /// @dev An external call, so that what it reverts with can be expected; from the challenger, or the proposer if that calls.
    function challenge(
        Row[] calldata rows,
        uint256 position,
        address bridge,
        bool[] calldata region,
        uint256 count
    ) external {
        address caller = msg.sender == proposer ? proposer : challenger;
        address[] memory accounts = _accounts(region);
        bytes32 id = keccak256(abi.encode(leavesOf(address(0), rows)[position], bridge, accounts, caller));
        IReputationOracle.ProvenRow[] memory entries = _entries(rows, accounts, _passed[id], count);
        if (count != type(uint256).max) _passed[id] += count;
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, position);
        vm.prank(caller);
        oracle.challengeHiddenBridge(epoch, proven, bridge, accounts, entries, count);
    }

    /// @dev In-edges that a challenge has passed.
    mapping(bytes32 challenge => uint256) private _passed;

    /// @dev 0 -> 1 -> {2 <-> 3}, 1 -> 3: the pair lies behind 1, and both say that they do not.
    function _hidingPair() private returns (Row[] memory rows, bool[] memory region) {
        newModel(4);
        trust(0, 1, 1e18);
        trust(1, 2, 1e18);
        trust(1, 3, 1e18);
        trust(2, 3, 1e18);
        trust(3, 2, 1e18);
        close();
        rows = honest;
        region = new bool[](4);
        for (uint256 i = 2; i < 4; ++i) {
            vm.assertEq(rows[i].bridge, accountAt(1), "behind the bridge");
            (rows[i].bridge, region[i]) = (rows[i].account, true);
        }
        propose(rows);
    }

    /// @dev The row's account and all from whom walks come to it that do not claim `bridge`.
    function _regionOf(Row[] memory rows, uint256 position, address bridge)
        private
        view
        returns (bool[] memory region)
    {
        uint256 n = rows.length;
        region = new bool[](n);
        region[position] = true;
        for (uint256 round = 0; round < n; ++round) {
            for (uint256 to = 0; to < n; ++to) {
                for (uint256 from = 0; region[to] && from < n; ++from) {
                    if (model.trust[from][to] > 0 && rows[from].bridge != bridge) region[from] = true;
                }
            }
        }
    }

    function _accounts(bool[] memory region) private pure returns (address[] memory accounts) {
        uint256 size = 0;
        accounts = new address[](region.length);
        for (uint256 i = 0; i < region.length; ++i) {
            if (region[i]) accounts[size++] = accountAt(i);
        }
        assembly ("memory-safe") {
            mstore(accounts, size)
        }
    }

    /// @dev Rows of those outside a region who trust its members, for in-edges `first` to `first + count`.
    function _entries(Row[] memory rows, address[] memory accounts, uint256 first, uint256 count)
        private
        view
        returns (IReputationOracle.ProvenRow[] memory entries)
    {
        (uint256 size, uint256 edge) = (0, 0);
        entries = new IReputationOracle.ProvenRow[](rows.length * rows.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            (uint256 degree,) = graph.inDegreeAt(IFeedbackGraph.Feedback.TRUST, accounts[i]);
            address[] memory sources =
                graph.inNeighbors(IFeedbackGraph.Feedback.TRUST, accounts[i], 0, degree);
            for (uint256 k = 0; k < degree; ++k) {
                bool within = false;
                for (uint256 m = 0; m < accounts.length; ++m) {
                    if (accounts[m] == sources[k]) within = true;
                }
                if (edge >= first && edge - first < count && !within) {
                    entries[size++] = prove(address(0), rows, uint160(sources[k]) / 0x1000 - 1);
                }
                ++edge;
            }
        }
        assembly ("memory-safe") {
            mstore(entries, size)
        }
    }
}
