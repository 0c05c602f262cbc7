// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheatcodes of the test runner that Merit's tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    // Blocks and accounts
    function roll(uint256 blockNumber) external;
    function warp(uint256 timestamp) external;
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    function setBlockhash(uint256 blockNumber, bytes32 blockHash) external;
    function chainId(uint256 id) external;
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
    function store(address account, bytes32 slot, bytes32 value) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function getNonce(address account) external view returns (uint64);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);

    // Callers and signers
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function label(address account, string calldata name) external;

    // What a call must do
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata reason) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit() external;
    function expectEmit(address emitter) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function mockCall(address callee, bytes calldata data, bytes calldata result) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata reason) external;
    function clearMockedCalls() external;
    function assume(bool condition) external pure;

    // What a call costs
    function pauseGasMetering() external;
    function resumeGasMetering() external;

    // Assertions
    function assertTrue(bool condition, string calldata message) external pure;
    function assertEq(uint256 left, uint256 right, string calldata message) external pure;
    function assertEq(int256 left, int256 right, string calldata message) external pure;
    function assertEq(address left, address right, string calldata message) external pure;
    function assertEq(bytes32 left, bytes32 right, string calldata message) external pure;
    function assertEq(bool left, bool right, string calldata message) external pure;
    function assertEq(string calldata left, string calldata right, string calldata message) external pure;
    function assertEq(bytes calldata left, bytes calldata right, string calldata message) external pure;
    function assertEq(address[] calldata left, address[] calldata right, string calldata message) external pure;
    function assertEq(uint256[] calldata left, uint256[] calldata right, string calldata message) external pure;
    function assertNotEq(uint256 left, uint256 right, string calldata message) external pure;
    function assertNotEq(bytes32 left, bytes32 right, string calldata message) external pure;
    function assertLe(uint256 left, uint256 right, string calldata message) external pure;
    function assertLt(uint256 left, uint256 right, string calldata message) external pure;
    function assertGe(uint256 left, uint256 right, string calldata message) external pure;
    function assertGt(uint256 left, uint256 right, string calldata message) external pure;
    function assertApproxEqAbs(uint256 left, uint256 right, uint256 maxDelta, string calldata message) external pure;
}

/// @notice Base of every test contract. Assertions are the runner's own: `vm.assertEq(left, right, "what is compared")`.
/// A test sets up in `setUp()`; tests are `test_...()`, fuzz tests `testFuzz_...(inputs)`, invariants `invariant_...()`.
/// After `roll` or `warp`, ask `vm.getBlockNumber()` and `vm.getBlockTimestamp()`: the compiler takes `block.number` and
/// `block.timestamp` for constants of a call and may read them late.
abstract contract Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address[] private _targets;
    FuzzSelector[] private _targetSelectors;

    /// @notice Makes an invariant run call `handler`, and nothing but the targets.
    function targetContract(address handler) internal {
        _targets.push(handler);
    }

    /// @notice Makes an invariant run call only `selectors` of `handler`.
    function targetSelectors(address handler, bytes4[] memory selectors) internal {
        _targets.push(handler);
        _targetSelectors.push(FuzzSelector(handler, selectors));
    }

    /// @dev Read by the runner.
    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    /// @dev Read by the runner.
    function targetSelectors() external view returns (FuzzSelector[] memory) {
        return _targetSelectors;
    }

    /// @notice Deploys a contract by its name, with its constructor's encoded `arguments`.
    /// @dev By `new`, each test contract would carry the code of all that it deploys, and the compiler would translate
    /// that code anew for each.
    function deployed(string memory name, bytes memory arguments) internal returns (address made) {
        bytes memory code = bytes.concat(vm.getCode(name), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                let pointer := mload(0x40)
                returndatacopy(pointer, 0, returndatasize())
                revert(pointer, returndatasize())
            }
        }
    }

    /// @notice Maps a fuzzed `value` into [low, high], keeping values that lie there already.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        require(low <= high, "bound: low above high");
        if (value >= low && value <= high) return value;
        uint256 size;
        unchecked {
            size = high - low + 1; // Zero for the whole range, whose values were all kept above.
        }
        return low + value % size;
    }

    /// @notice A labelled address that no other name shares.
    function makeAddr(string memory name) internal returns (address account) {
        (account,) = makeAddrAndKey(name);
    }

    /// @notice A labelled address with its private key.
    function makeAddrAndKey(string memory name) internal returns (address account, uint256 privateKey) {
        privateKey = uint256(keccak256(bytes(name)));
        account = vm.addr(privateKey);
        vm.label(account, name);
    }

    /// @notice Moves on by `blocks` blocks of `secondsEach` seconds.
    function skip(uint256 blocks, uint256 secondsEach) internal {
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + blocks * secondsEach);
    }
}

/// @notice Reverts that the compiler writes.
library Panics {
    bytes internal constant ASSERTION = abi.encodeWithSignature("Panic(uint256)", 0x01);
    bytes internal constant ARITHMETIC = abi.encodeWithSignature("Panic(uint256)", 0x11);
}
