// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @notice The token with its permits.
interface IPermitToken is IERC20, IERC20Permit {}

/// @notice Constants that the contracts show beside their interfaces.
interface IConstants {
    function BURN_ADDRESS() external view returns (address);
    function COMMITTEE_LIMIT() external view returns (uint256);
    function MAX_CYCLE() external view returns (uint256);
    function MAX_EXTENSIONS() external view returns (uint256);
    function MAX_UNBONDINGS() external view returns (uint256);
}
