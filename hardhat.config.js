import { globSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

// The compiler comes from the lock file: building needs no download.
const compiler = { version: "0.8.37", path: require.resolve("solc/soljson.js") };

/** Hardhat compiles together what has one and the same settings object, and makes one for each override. */
const compileTestsTogether = {
  async resolveUserConfig(userConfig, resolveVariable, next) {
    const config = await next(userConfig, resolveVariable);
    for (const profile of Object.values(config.solidity.profiles)) {
      const [settings] = Object.values(profile.overrides);
      for (const file of Object.keys(profile.overrides)) profile.overrides[file] = settings;
    }
    return config;
  },
};

/** @type {import("hardhat/config").HardhatUserConfig} */
export default {
  plugins: [
    {
      id: "merit-compile-tests-together",
      hookHandlers: { config: async () => ({ default: async () => compileTestsTogether }) },
    },
  ],
  solidity: {
    compilers: [
      {
        ...compiler,
        // More runs would take AuditCourt past the size that a network admits.
        settings: { optimizer: { enabled: true, runs: 200 }, viaIR: true, evmVersion: "cancun" },
      },
    ],
    // Tests know the contracts by their interfaces and deploy them as they are shipped, so their own code can be
    // translated without the optimizer: in seconds, where it would take minutes.
    splitTestsCompilation: true,
    overrides: Object.fromEntries(
      globSync("tests/contracts/**/*.sol").map((file) => [file, { ...compiler, settings: { evmVersion: "cancun" } }]),
    ),
    npmFilesToBuild: ["@openzeppelin/contracts/access/manager/AccessManager.sol"],
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
