"""Content identifiers against those that IPFS gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evidence.content_id import CHUNK, ContentId, InvalidContentIdError, TreeBuilder, content_id

# Byte i of the content is i mod 251. Computed by ipfs-unixfs-importer 17.1.1 (JavaScript) with rawLeaves, cidVersion 1,
# chunks of 262,144 bytes and 174 children per node: the defaults of `ipfs add --cid-version 1 --raw-leaves`.
VECTORS = [
    (0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
    (1, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"),
    (5, "bafkreiaixnpf23vkyecj5xqispjq5ubcwgsntnnurw2bjby7khe4wnjihu"),
    (CHUNK - 1, "bafkreiagptg6ztonoojy4wflk3wwusl5xt4vcy6uult4wa7oemsjtxhjsu"),
    (CHUNK, "bafkreibruh455iawsviqslif5c7uurdcfdemh22mtnytyzvnzn75kpejxy"),
    (CHUNK + 1, "bafybeiexg2oqkfnj56l7fcmawswqbijt5shq4b5rg6a546uwpkqqzwjioi"),
    (2 * CHUNK, "bafybeihjlsmgtdumwxouubhh32wpo5k73zuptoz5bcxxcx3tflxmhyct2a"),
    (3 * CHUNK + 7, "bafybeidxpyx2zp63l6vwztnevwkg62e2qiag37ujerq7xkz5hremsvv3vq"),
    (173 * CHUNK, "bafybeigzkogoa5jmkqs55vkrr4fa4fjtlewbssp4dgxmysahbx6c24pu7a"),
    (174 * CHUNK, "bafybeihpe5snhzneq7xs53nivmsopto5lrogo3wjynauqylqeym5a3irbm"),
    (174 * CHUNK + 1, "bafybeib4y7ghw2rq7bracc4xwtxrbzo7cfvagdpte2tmrkgwl6dyard3cm"),
    (175 * CHUNK, "bafybeie73j3heycdgkdsehpoe6cxh2y3iywtf6djpi3dzqrywevvjmazny"),
    (349 * CHUNK + 9, "bafybeicj3tawve7vrhumxrb3vlpq3bvjrpezc74zs7vx366avl5q5vjgr4"),
]


@pytest.fixture(scope="module")
def content() -> bytes:
    size = VECTORS[-1][0]
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize(("size", "expected"), VECTORS)
def test_content_id__of_any_size__equals_ipfs(content: bytes, size: int, expected: str) -> None:
    builder = TreeBuilder()
    data = memoryview(content)[:size]
    for start in range(0, size, 1_000_003):
        builder.update(bytes(data[start : start + 1_000_003]))
    assert str(builder.finish()) == expected
    assert str(ContentId.parse(expected)) == expected


@given(st.lists(st.binary(max_size=CHUNK // 3), max_size=12))
def test_builder__whatever_the_pieces__gives_the_id_of_the_whole(pieces: list[bytes]) -> None:
    blocks: dict[ContentId, bytes] = {}
    builder = TreeBuilder(blocks.__setitem__)
    for piece in pieces:
        builder.update(piece)
    whole = b"".join(pieces)
    assert builder.size == len(whole)
    root = builder.finish()
    assert root == content_id(whole)
    assert list(blocks)[-1] == root


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "../../etc/passwd",
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
        VECTORS[0][1].upper(),
        VECTORS[0][1][:-1],
        VECTORS[0][1] + "a",
        VECTORS[0][1][:-1] + "v",  # stray bits behind the last byte
        "bafyreigdmqpykrgxyaxtlafqpqhzrb7qy2rh75nldvfd4tucqmqqme5yje",  # dag-cbor
        "bäfkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    ],
)
def test_parse__anything_but_a_canonical_id__is_refused(text: str) -> None:
    with pytest.raises(InvalidContentIdError, match=r"This is not a CIDv1"):
        ContentId.parse(text)
