// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MeritToken} from "../../contracts/MeritToken.sol";

contract MeritTokenTest {
    function testFuzz_WholeSupplyGoesToHolder(address holder, uint256 supply) external {
        if (holder == address(0)) return;
        require(new MeritToken(holder, supply).balanceOf(holder) == supply, "balance");
    }
}
