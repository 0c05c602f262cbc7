// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {StakeVault} from "./StakeVault.sol";

/// @title SourceVault
/// @notice The stake behind retrieval sources: a `StakeVault` whose only authority is the `SourceRegistry`.
contract SourceVault is StakeVault {
    constructor(IERC20 token_, address registry, Parameters memory parameters) StakeVault(token_, registry, parameters) {}
}
