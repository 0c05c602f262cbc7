// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title MeritToken
/// @notice ERC-20 with permit for local and test networks; a real network names a token of its own.
contract MeritToken is ERC20, ERC20Permit {
    constructor(address holder, uint256 supply) ERC20("Merit", "MERIT") ERC20Permit("Merit") {
        _mint(holder, supply);
    }
}
