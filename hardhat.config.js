import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** @type {import("hardhat/config").HardhatUserConfig} */
export default {
  solidity: {
    version: "0.8.37",
    // The compiler comes from the lock file: building needs no download.
    path: require.resolve("solc/soljson.js"),
    npmFilesToBuild: ["@openzeppelin/contracts/access/manager/AccessManager.sol"],
    settings: {
      // More runs would take AuditCourt past the size that a network admits.
      optimizer: { enabled: true, runs: 200 },
      viaIR: true,
      evmVersion: "cancun",
    },
  },
  paths: { sources: "contracts", tests: { solidity: "tests/contracts" } },
  test: {
    solidity: {
      fsPermissions: { readFile: ["tests/vectors/fingerprint_consensus.json"] },
      fuzz: { runs: Number(process.env.FUZZ_RUNS ?? 256) },
      invariant: { runs: Number(process.env.INVARIANT_RUNS ?? 32), depth: 100, failOnRevert: true },
    },
  },
};
