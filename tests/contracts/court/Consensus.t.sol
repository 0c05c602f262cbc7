// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {Fingerprint} from "../../../contracts/libraries/Fingerprint.sol";
import {Sampling} from "../../../contracts/libraries/Sampling.sol";
import {Panics} from "../Test.sol";
import {CourtTest} from "./CourtTest.sol";

/// @notice The runner's cheatcodes for files and JSON.
interface VmJson {
    function readLine(string calldata path) external view returns (string memory);
    function closeFile(string calldata path) external;
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseBytes32(string calldata value) external pure returns (bytes32);
    function toString(uint256 value) external pure returns (string memory);
}

/// The contract's rule against the cases that the Python rule answers too, and against a slow reading of it
contract ConsensusTest is CourtTest {
    VmJson private constant json = VmJson(address(vm));
    string private constant VECTORS = "tests/vectors/fingerprint_consensus.json";

    struct Case {
        uint16 tau;
        uint16 soft;
        uint16 hard;
        uint256 words;
        uint256[] disclosed;
        IAuditCourt.Reveal[] committee; // without digests: a seat that did not reveal
        bool decided;
        uint256 medoid;
        uint256 cluster;
        string outcome;
    }

    function setUp() public override {
        super.setUp();
        addVerifiers(8);
        stake(contributor, 100_000e18);
    }

    /// @dev Small enough that no verifier drops out of the committees.
    function penalties() internal pure override returns (IAuditCourt.Penalties memory) {
        return IAuditCourt.Penalties({absent: 1, outlier: 2, withheld: 4, overturned: 10});
    }

    function test_Bounds_DigestsThatEndBeforeTheirWords_Panic() external {
        vm.assertEq(this.distanceBetween(3, 1, 2, 0, 2), 0, "as long as the words");
        vm.expectRevert(Panics.ASSERTION);
        this.distanceBetween(2, 1, 3, 1, 2);
        vm.expectRevert(Panics.ASSERTION);
        this.distanceBetween(3, 1, 2, 1, 2);

        vm.assertEq(this.largestCluster(62, 31, 2), 31, "as many as there are bits for");
        vm.expectRevert(Panics.ASSERTION);
        this.largestCluster(61, 31, 2);
        vm.expectRevert(Panics.ASSERTION);
        this.largestCluster(64, 32, 2);
    }

    /// @dev Of digests of zeros, `words` long, in arrays of two lengths.
    function distanceBetween(uint256 left, uint256 i, uint256 right, uint256 j, uint256 words)
        external
        pure
        returns (uint256)
    {
        return Fingerprint.distance(new uint256[](left), i, new uint256[](right), j, words);
    }

    /// @dev Among seats that agree whatever they say. Their key is what follows the keys in memory, the digests' number:
    /// whoever reads on finds a seat more.
    function largestCluster(uint256 digests, uint256 seats, uint256 words) external pure returns (uint256 size) {
        uint256[] memory keys = new uint256[](seats);
        for (uint256 i = 0; i < seats; ++i) {
            keys[i] = digests;
        }
        (,, size) = Fingerprint.consensus(new uint256[](digests), keys, words, words * 256);
    }

    function test_Vectors_MedoidAndCluster() external {
        json.readLine(VECTORS);
        uint256 cases;
        for (string memory line = json.readLine(VECTORS); bytes(line).length > 2; line = json.readLine(VECTORS)) {
            Case memory given = _parse(line);
            uint256 seats = given.committee.length;
            uint256[] memory digests = new uint256[](seats * given.words);
            uint256[] memory keys = new uint256[](seats);
            for (uint256 i = 0; i < seats; ++i) {
                IAuditCourt.Reveal memory seat = given.committee[i];
                if (seat.digests.length == 0) continue;
                keys[i] = uint256(keccak256(abi.encode(seat.verdicts, seat.opened, seat.payload)));
                for (uint256 word = 0; word < given.words; ++word) {
                    digests[i * given.words + word] = seat.digests[word];
                }
            }
            (uint256 medoid, uint256 cluster, uint256 size) =
                Fingerprint.consensus(digests, keys, given.words, given.tau);
            vm.assertEq(cluster, given.cluster, line);
            vm.assertEq(size, _ones(cluster), line);
            if (given.decided) vm.assertEq(medoid, given.medoid, line);
            ++cases;
        }
        json.closeFile(VECTORS);
        vm.assertGt(cases, 100, "cases");
    }

    function test_Vectors_OutcomeOfARound() external {
        json.readLine(VECTORS);
        uint256 cases;
        for (string memory line = json.readLine(VECTORS); bytes(line).length > 2; line = json.readLine(VECTORS)) {
            Case memory given = _parse(line);
            if (given.committee.length < 3 || given.tau > given.hard) continue; // No job admits that.
            _playCase(given, line);
            ++cases;
        }
        json.closeFile(VECTORS);
        vm.assertGt(cases, 50, "cases");
    }

    function testFuzz_Distance_CountsDifferentBits(uint256[4] memory left, uint256[4] memory right, uint256 words)
        external
        pure
    {
        words = bound(words, 1, 4);
        uint256[] memory first = new uint256[](8);
        uint256[] memory second = new uint256[](8);
        uint256 expected;
        for (uint256 word = 0; word < words; ++word) {
            (first[word + 1], second[word + 3]) = (left[word], right[word]);
            expected += _ones(left[word] ^ right[word]);
        }
        vm.assertEq(Fingerprint.distance(first, 1, second, 3, words), expected, "distance");
    }

    function test_Distance_OfComplements_IsEveryBit() external pure {
        uint256[] memory zeros = new uint256[](4);
        uint256[] memory ones = new uint256[](4);
        for (uint256 words = 1; words <= 4; ++words) {
            ones[words - 1] = type(uint256).max;
            vm.assertEq(Fingerprint.distance(zeros, 0, ones, 0, words), 256 * words, "distance");
        }
    }

    function testFuzz_Consensus_AgreesWithASlowReading(uint256 seed, uint256 seats, uint256 tau) external pure {
        seats = bound(seats, 1, 23);
        tau = bound(tau, 0, 12);
        uint256[] memory digests = new uint256[](2 * seats);
        uint256[] memory keys = new uint256[](seats);
        for (uint256 i = 0; i < seats; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            keys[i] = random % 4; // A quarter of the seats does not take part.
            digests[2 * i] = random >> 248;
            digests[2 * i + 1] = random >> 240 & 0xff;
        }
        (uint256 medoid, uint256 cluster, uint256 size) = Fingerprint.consensus(digests, keys, 2, tau);

        uint256 bestSize;
        uint256 bestTotal;
        uint256 best;
        for (uint256 i = 0; i < seats; ++i) {
            (uint256 agreeing, uint256 total) = _slowCluster(digests, keys, tau, i);
            if (_ones(agreeing) > bestSize || (_ones(agreeing) == bestSize && bestSize > 0 && total < bestTotal)) {
                (bestSize, bestTotal, best) = (_ones(agreeing), total, i);
            }
        }
        vm.assertEq(size, bestSize, "size");
        if (bestSize == 0) return;
        vm.assertEq(medoid, best, "medoid");
        (uint256 expected,) = _slowCluster(digests, keys, tau, best);
        vm.assertEq(cluster, expected, "cluster");
    }

    function testFuzz_Sampling_IsDistinctAndInRange(bytes32 seed, uint256 count, uint256 samples) external pure {
        count = bound(count, 1, 40);
        samples = bound(samples, 1, 16);
        uint256[] memory chosen = Sampling.positions(seed, count, samples);
        vm.assertEq(chosen.length, samples < count ? samples : count, "size");
        uint256 seen;
        for (uint256 i = 0; i < chosen.length; ++i) {
            vm.assertLt(chosen[i], count, "range");
            vm.assertEq(seen >> chosen[i] & 1, 0, "distinct");
            seen |= 1 << chosen[i];
        }
    }

    /// Chi-square with 9 degrees of freedom: above 33.7 once in ten thousand. The seeds are fixed.
    function test_Threat04_Sampling_IsUniform() external pure {
        uint256[10] memory hits;
        for (uint256 i = 0; i < 3_000; ++i) {
            uint256[] memory chosen = Sampling.positions(keccak256(abi.encode(i)), 10, 4);
            for (uint256 j = 0; j < 4; ++j) {
                ++hits[chosen[j]];
            }
        }
        uint256 scaled; // 1,000 times the statistic
        for (uint256 position = 0; position < 10; ++position) {
            uint256 deviation = hits[position] > 1_200 ? hits[position] - 1_200 : 1_200 - hits[position];
            scaled += 1_000 * deviation * deviation / 1_200;
        }
        vm.assertLt(scaled, 33_700, "chi-square");
    }

    // ------------------------------------------------------------------ helpers

    function _playCase(Case memory given, string memory line) private {
        IJobEscrow.Terms memory terms_ = terms();
        (terms_.tau, terms_.soft, terms_.hard) = (given.tau, given.soft, given.hard);
        (terms_.samples, terms_.words) = (1, uint8(given.words));
        terms_.committeeSize = uint8(given.committee.length);
        job = openJob(terms_, 100e18);
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        Round memory round = draw(batch);
        Play[] memory plays = new Play[](given.committee.length);
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].given = given.committee[i];
            plays[i].commits = given.committee[i].digests.length != 0;
            plays[i].reveals = plays[i].commits;
        }
        commitAll(batchId, round, plays);
        awaitPhase(batchId, IAuditCourt.Phase.DISCLOSE);
        // Nobody committed: there is nothing to disclose to.
        if (court.auditOf(batchId).phase != IAuditCourt.Phase.DISCLOSE) given.disclosed = new uint256[](0);
        else disclose(batch, given.disclosed);
        revealAll(batchId, round, plays);
        awaitPhase(batchId, IAuditCourt.Phase.TALLY);
        court.finalize(batch, round.seed, round.committee, revealsOf(plays), given.disclosed);
        vm.assertEq(outcomeOf(batchId), uint256(_outcome(given.outcome)), line);
    }

    /// @dev NO_QUORUM leaves the batch without an outcome, waiting for its next draw.
    function _outcome(string memory name) private pure returns (IAuditCourt.Outcome) {
        bytes32 hash = keccak256(bytes(name));
        if (hash == keccak256("PASS")) return IAuditCourt.Outcome.PASS;
        if (hash == keccak256("GREY")) return IAuditCourt.Outcome.GREY;
        if (hash == keccak256("UNAVAILABLE")) return IAuditCourt.Outcome.UNAVAILABLE;
        if (hash == keccak256("FRAUD")) return IAuditCourt.Outcome.FRAUD;
        require(hash == keccak256("NO_QUORUM"), "unknown outcome");
        return IAuditCourt.Outcome.NONE;
    }

    function _parse(string memory line) private view returns (Case memory given) {
        bytes memory raw = bytes(line);
        if (raw[raw.length - 1] == ",") {
            assembly ("memory-safe") {
                mstore(raw, sub(mload(raw), 1))
            }
        }
        given.tau = uint16(json.parseJsonUint(line, ".tau"));
        given.soft = uint16(json.parseJsonUint(line, ".soft"));
        given.hard = uint16(json.parseJsonUint(line, ".hard"));
        given.disclosed = json.parseJsonUintArray(line, ".disclosed");
        given.words = given.disclosed.length;
        given.outcome = json.parseJsonString(line, ".outcome");
        uint256 seats;
        while (json.keyExistsJson(line, _seat(seats, ""))) ++seats;
        given.committee = new IAuditCourt.Reveal[](seats);
        for (uint256 i = 0; i < seats; ++i) {
            if (!json.keyExistsJson(line, _seat(i, ".verdict"))) continue;
            IAuditCourt.Reveal memory seat = given.committee[i];
            seat.digests = json.parseJsonUintArray(line, _seat(i, ".digest"));
            seat.verdicts = new uint8[](1);
            seat.verdicts[0] = uint8(json.parseJsonUint(line, _seat(i, ".verdict")));
            seat.opened = json.parseJsonBool(line, _seat(i, ".opened")) ? 1 : 0;
            seat.payload = json.parseBytes32(
                string(abi.encodePacked("0x", json.parseJsonString(line, _seat(i, ".payload"))))
            );
            given.decided = true;
        }
        if (!given.decided) return given;
        given.medoid = json.parseJsonUint(line, ".medoid");
        uint256[] memory cluster = json.parseJsonUintArray(line, ".cluster");
        for (uint256 i = 0; i < cluster.length; ++i) {
            given.cluster |= 1 << cluster[i];
        }
    }

    function _seat(uint256 i, string memory field) private pure returns (string memory) {
        return string(abi.encodePacked(".committee[", json.toString(i), "]", field));
    }

    function _slowCluster(uint256[] memory digests, uint256[] memory keys, uint256 tau, uint256 own)
        private
        pure
        returns (uint256 agreeing, uint256 total)
    {
        if (keys[own] == 0) return (0, 0);
        for (uint256 j = 0; j < keys.length; ++j) {
            uint256 apart = _ones(digests[2 * own] ^ digests[2 * j]) + _ones(digests[2 * own + 1] ^ digests[2 * j + 1]);
            if (keys[j] != keys[own] || apart > tau) continue;
            agreeing |= 1 << j;
            total += apart;
        }
    }

    function _ones(uint256 word) private pure returns (uint256 count) {
        for (; word != 0; word &= word - 1) ++count;
    }
}
