// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Test} from "./Test.sol";

contract MeritTokenTest is Test {
    function testFuzz_WholeSupplyGoesToHolder(address holder, uint256 supply) external {
        if (holder == address(0)) return;
        IERC20 token = IERC20(deployed("MeritToken", abi.encode(holder, supply)));
        vm.assertEq(token.balanceOf(holder), supply, "balance");
    }
}
