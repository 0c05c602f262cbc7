// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {IReputationOracle} from "../../../contracts/interfaces/IReputationOracle.sol";
import {Row} from "../../../contracts/libraries/MeritRow.sol";
import {IConstants} from "../Interfaces.sol";
import {Test} from "../Test.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {SlowMeritRank} from "./SlowMeritRank.sol";

/// @notice A graph, an oracle, and the honest rows of what the graph holds.
abstract contract OracleTest is Test {
    uint256 internal constant ONE = 1 << 44;
    uint256 internal constant EPOCH = 10 days;
    uint96 internal constant BOND = 6_400e18;
    uint48 internal constant WINDOW = 1 days;
    uint48 internal constant PROPOSAL_WINDOW = 3 days;

    IERC20 internal token;
    AccessManager internal manager;
    IFeedbackGraph internal graph;
    IReputationOracle internal oracle;
    IJobEscrow internal escrow;
    SlowMeritRank internal slow;
    address internal proposer = makeAddr("proposer");
    address internal challenger = makeAddr("challenger");

    SlowMeritRank.Graph internal model;
    Row[] internal honest;
    uint256 internal epoch;

    function setUp() public virtual {
        token = IERC20(deployed("MeritToken", abi.encode(address(this), type(uint96).max)));
        manager = AccessManager(deployed("AccessManager", abi.encode(address(this))));
        slow = new SlowMeritRank();
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        escrow = IJobEscrow(
            deployed("JobEscrow", abi.encode(token, address(this), predicted, address(manager), 1 days, 9_000, 500))
        );
        graph = IFeedbackGraph(deployed("FeedbackGraph", abi.encode(address(this), predicted, EPOCH)));
        oracle = newOracle(token);
        for (uint256 i = 0; i < 2; ++i) {
            address account = i == 0 ? proposer : challenger;
            require(token.transfer(account, 100 * BOND));
            vm.prank(account);
            token.approve(address(oracle), type(uint256).max);
        }
    }

    function newOracle(IERC20 asset) internal returns (IReputationOracle) {
        return newOracle(graph, asset, settings());
    }

    function newOracle(IFeedbackGraph graph_, IERC20 asset, IReputationOracle.Settings memory settings_)
        internal
        returns (IReputationOracle)
    {
        bytes memory arguments = abi.encode(graph_, asset, escrow, address(manager), settings_, parameters(ONE));
        return IReputationOracle(deployed("ReputationOracle", arguments));
    }

    function settings() internal pure returns (IReputationOracle.Settings memory) {
        return IReputationOracle.Settings({bond: BOND, challengeWindow: WINDOW, proposalWindow: PROPOSAL_WINDOW});
    }

    /// @dev Walks stop with probability 0.4, bridges halve; the first account is a seed with `weight`, the second has the rest.
    function parameters(uint256 weight) internal pure returns (IReputationOracle.Parameters memory result) {
        result.stop = uint64(ONE * 2 / 5);
        result.bridgeDecay = uint64(ONE / 2);
        result.seeds = new address[](weight == ONE ? 1 : 2);
        result.seedWeights = new uint64[](result.seeds.length);
        (result.seeds[0], result.seedWeights[0]) = (accountAt(0), uint64(weight));
        if (weight < ONE) (result.seeds[1], result.seedWeights[1]) = (accountAt(1), uint64(ONE - weight));
    }

    function accountAt(uint256 i) internal pure returns (address) {
        return address(uint160(0x1000 * (i + 1)));
    }

    // ------------------------------------------------------------------ graphs

    /// @dev An empty model of `n` accounts.
    function newModel(uint256 n) internal {
        delete model;
        for (uint256 i = 0; i < n; ++i) {
            model.accounts.push(accountAt(i));
            model.trust.push(new uint256[](n));
            model.distrust.push(new uint256[](n));
            model.seeds.push(oracle.seedWeightOf(accountAt(i)));
        }
        (model.stop, model.bridgeDecay) = (oracle.stop(), oracle.bridgeDecay());
    }

    function trust(uint256 from, uint256 to, uint256 amount) internal {
        graph.recordTrust(accountAt(from), accountAt(to), amount);
        model.trust[from][to] += amount;
    }

    function distrust(uint256 from, uint256 to, uint256 amount) internal {
        graph.recordDistrust(accountAt(from), accountAt(to), amount);
        model.distrust[from][to] += amount;
    }

    /// @dev Every account has an edge, so that each is a node; the rest by `entropy`: cycles, dead ends, dust and bridges.
    function randomGraph(bytes32 entropy, uint256 n) internal {
        newModel(n);
        for (uint256 i = 1; i < n; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(entropy, "tree", i)));
            trust(dice % i, i, 1 + (dice >> 16) % 1e20);
        }
        for (uint256 i = 0; i < 2 * n; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(entropy, i)));
            (uint256 from, uint256 to) = ((dice >> 8) % n, (dice >> 16) % n);
            uint256 amount = dice % 5 == 0 ? 1 : 1 + (dice >> 24) % 1e20;
            if (from == to) continue;
            if (dice % 4 == 0) distrust(from, to, amount);
            else if (dice % 2 == 0) trust(from, to, amount);
        }
        close();
    }

    /// @dev Closes the epoch and computes the honest rows.
    function close() internal {
        skip(1, EPOCH);
        epoch = graph.closeEpoch();
        delete honest;
        Row[] memory rows = slow.rows(model);
        for (uint256 i = 0; i < rows.length; ++i) {
            honest.push(rows[i]);
        }
    }

    // ------------------------------------------------------------------ proposals

    function propose(Row[] memory rows) internal {
        bytes32 paramsHash = oracle.paramsHash();
        vm.prank(proposer);
        oracle.propose(epoch, MerkleTree.root(leavesOf(address(0), rows)), rows.length, paramsHash, "rows");
    }

    function finalize() internal {
        vm.warp(vm.getBlockTimestamp() + WINDOW);
        oracle.finalize(epoch);
    }

    function statusOf() internal view returns (IReputationOracle.Status) {
        return oracle.proposalOf(epoch).status;
    }

    function assertLive() internal view {
        vm.assertEq(uint256(statusOf()), uint256(IReputationOracle.Status.LIVE), "live");
    }

    function assertVoid() internal view {
        vm.assertEq(uint256(statusOf()), uint256(IReputationOracle.Status.VOID), "void");
        vm.assertEq(oracle.creditOf(challenger), BOND / 2, "bounty");
        vm.assertEq(oracle.creditOf(IConstants(address(oracle)).BURN_ADDRESS()), BOND - BOND / 2, "burned");
    }

    function leavesOf(address subject, Row[] memory rows) internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            Row memory r = rows[i];
            bytes memory fields = abi.encode(r.index, r.account, r.visits, r.diagonal, r.bridge, r.score);
            bytes memory head = subject == address(0) ? abi.encode(epoch) : abi.encode(epoch, subject);
            leaves[i] = keccak256(abi.encode(keccak256(bytes.concat(head, fields))));
        }
    }

    function prove(address subject, Row[] memory rows, uint256 position)
        internal
        view
        returns (IReputationOracle.ProvenRow memory)
    {
        return IReputationOracle.ProvenRow(rows[position], MerkleTree.proof(leavesOf(subject, rows), position));
    }

    /// @dev The rows of all in-neighbours, in the graph's order.
    function neighborsOf(IFeedbackGraph.Feedback kind, address subject, Row[] memory rows, address account)
        internal
        view
        returns (IReputationOracle.ProvenRow[] memory proven)
    {
        (uint256 degree,) = graph.inDegreeAt(kind, account);
        address[] memory accounts = graph.inNeighbors(kind, account, 0, degree);
        proven = new IReputationOracle.ProvenRow[](degree);
        for (uint256 i = 0; i < degree; ++i) {
            proven[i] = prove(subject, rows, uint160(accounts[i]) / 0x1000 - 1);
        }
    }

    function challengeRow(Row[] memory rows, uint256 position) internal {
        address account = accountAt(position);
        IReputationOracle.ProvenRow[] memory trusting =
            neighborsOf(IFeedbackGraph.Feedback.TRUST, address(0), rows, account);
        IReputationOracle.ProvenRow[] memory distrusting =
            neighborsOf(IFeedbackGraph.Feedback.DISTRUST, address(0), rows, account);
        vm.prank(challenger);
        oracle.challengeRow(epoch, address(0), prove(address(0), rows, position), trusting, distrusting);
    }
}
